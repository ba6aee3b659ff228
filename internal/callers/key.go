package callers

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"strings"
	"sync"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// key identifies a token and its scheme in caches: an HMAC-SHA-256 under a random key of the
// process. Neither a cache nor a memory dump of its keys tells anything about tokens.
type key [sha256.Size]byte

// maxValue is the length of the longest token that is looked at, as in package credentials.
const maxValue = 4 << 10

// header is an Authorization header, split into parts of the original string.
type header struct {
	scheme credentials.Scheme
	value  string // not validated: see token
}

// parseHeader splits an Authorization header: a scheme in any case, one or more spaces, a value.
// It allocates nothing.
func parseHeader(authorization string) (header, bool) {
	space := strings.IndexByte(authorization, ' ')
	if space < 0 {
		return header{}, false
	}
	var h header
	switch name := authorization[:space]; {
	case is(name, credentials.SchemeAPIKey):
		h.scheme = credentials.SchemeAPIKey
	case is(name, credentials.SchemeOAuth):
		h.scheme = credentials.SchemeOAuth
	default:
		return header{}, false
	}
	h.value = strings.TrimLeft(authorization[space:], " ")
	return h, h.value != "" && len(h.value) <= maxValue
}

// is reports whether name is the scheme, in any case. The lengths exclude what Unicode folds to
// ASCII, such as the Kelvin sign.
func is(name string, scheme credentials.Scheme) bool {
	return len(name) == len(scheme) && strings.EqualFold(name, string(scheme))
}

// token validates the value. The error does not show it.
func (h header) token() (credentials.Token, error) {
	t, err := credentials.ParseToken(h.value)
	if err != nil {
		return credentials.Token{}, err
	}
	if t.Reveal() != h.value { // ParseToken removes white space and schemes around it
		return credentials.Token{}, credentials.ErrInvalid
	}
	return t.WithScheme(h.scheme), nil
}

// keyer computes keys without allocation.
type keyer struct{ pool sync.Pool }

// macState is one HMAC computation. buf exists so that the token does not escape to the heap.
type macState struct {
	mac hash.Hash
	buf [256]byte
	sum key
}

func newKeyer() *keyer {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails: it ends the process instead
	return &keyer{pool: sync.Pool{New: func() any {
		return &macState{mac: hmac.New(sha256.New, secret)}
	}}}
}

func (k *keyer) key(h header) key {
	s := k.pool.Get().(*macState)
	s.mac.Reset()
	s.buf[0] = h.scheme[0] // the schemes differ in their first letter
	used := 1
	for rest := h.value; ; used = 0 {
		n := copy(s.buf[used:], rest)
		s.mac.Write(s.buf[:used+n])
		clear(s.buf[:used+n])
		if rest = rest[n:]; rest == "" {
			break
		}
	}
	s.mac.Sum(s.sum[:0])
	sum := s.sum
	k.pool.Put(s)
	return sum
}
