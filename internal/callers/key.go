package callers

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// key identifies a token and its scheme in caches: a keyed hash, see [keyer]. A dump of the keys,
// even with the secret, does not reveal a token.
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

// keyer computes SHA-256 of a random secret of the process, the scheme and the value. Without the
// secret, callers can neither predict keys nor choose colliding ones. Only the value has no fixed
// length, and it comes last: different inputs never hash the same bytes. The hash is the largest
// part of a hit. A token of the platform and a secret of 16 bytes fit into two of its blocks; HMAC
// hashes three or four.
type keyer struct{ secret [16]byte }

func newKeyer() *keyer {
	k := &keyer{}
	_, _ = rand.Read(k.secret[:]) // never fails: it ends the process instead
	return k
}

// key allocates only for values longer than any token of the platform.
func (k *keyer) key(h header) key {
	var stack [192]byte
	b := append(stack[:0], k.secret[:]...)
	b = append(b, h.scheme[0]) // the schemes differ in their first letter
	return sha256.Sum256(append(b, h.value...))
}
