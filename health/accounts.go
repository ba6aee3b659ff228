package health

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// accounts caches the account of every known token, with the time of the answer. Entries do not
// expire, because a stale account is still shown: the machine forgets them explicitly.
type accounts struct {
	entries *cache.Cache
	hashKey [sha256.Size]byte
}

// fetched is an account and when its request was sent, by the wall clock.
type fetched struct {
	account *requester.Account
	at      time.Time
}

func newAccounts() *accounts {
	// Without a cleanup interval: the janitor's goroutine would end with the garbage only.
	a := &accounts{entries: cache.New(cache.NoExpiration, 0)}
	_, _ = rand.Read(a.hashKey[:]) // never returns an error, as documented
	return a
}

// key is a keyed hash of the token, so that the keys in memory cannot be matched against a list
// of tokens.
func (a *accounts) key(token credentials.Token) string {
	h := hmac.New(sha256.New, a.hashKey[:])
	h.Write([]byte(token.Scheme()))
	h.Write([]byte{0})
	h.Write([]byte(token.Reveal()))
	return string(h.Sum(nil))
}

func (a *accounts) put(key string, f fetched) { a.entries.Set(key, f, cache.NoExpiration) }

func (a *accounts) forget(key string) { a.entries.Delete(key) }

// of returns the account under key, the zero value if there is none.
func (a *accounts) of(key string) fetched {
	if f, ok := a.entries.Get(key); ok {
		return f.(fetched)
	}
	return fetched{}
}
