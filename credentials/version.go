package credentials

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
)

// versionKey makes versions useless outside of this process: nothing can be learned from one, not
// even by trying out tokens.
var versionKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return key
})

// versionOfToken names a token for [Poller]. Tokens that are not equal have different versions.
func versionOfToken(t Token) string {
	h := hmac.New(sha256.New, versionKey())
	h.Write([]byte(t.Scheme() + " " + Scheme(t.Reveal())))
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil)[:16])
}
