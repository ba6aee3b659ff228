package exampletest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// Answers as the platform's documentation shows them. They are written down here by hand, and package requestertest is not
// used for them: what the examples do must not rest on the library's own fake alone.
const (
	accountBody  = `{"id": "566ec2b0ff0deeaae5f9d500629de162", "balance": 121.3, "public_name": {"EN": "Jack Smith"}, "company": {"id": "123", "superintendent_id": "566ec2b0ff0deeaae5f9d500629de162"}}`
	rejectedBody = `{"request_id": "90edd7d4", "code": "AUTHENTICATION_ERROR", "message": "Token %s is unknown", "payload": null}`
	missingBody  = `{"request_id": "90edd7d5", "code": "DOES_NOT_EXIST", "message": "No such thing"}`
)

// APIKey has the shape of the platform's tokens.
const APIKey = "AQVNyJ4kLQmrUcwzeR8sB2.k7Hn2c5PqXbWvTzY9dFgJ3mLrA6sEuC1.Zo8iNw4xVt7yKb0qDp5aGf2hRj9lMe3sUc6"

// AccountJSON is what the examples make of accountBody.
const AccountJSON = `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,"public_name":{"EN":"Jack Smith"},"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`

// Platform is a platform with one token, until it is told to answer something else.
type Platform struct {
	URL string

	token   atomic.Pointer[string]
	instead atomic.Pointer[http.HandlerFunc]
}

// NewPlatform starts a platform on a loopback port, for as long as the test runs.
func NewPlatform(t *testing.T) *Platform {
	p := &Platform{}
	p.SetToken(APIKey)
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	p.URL = server.URL
	return p
}

// Token is the one that is accepted.
func (p *Platform) Token() string { return *p.token.Load() }

// SetToken makes another token the one that is accepted.
func (p *Platform) SetToken(value string) { p.token.Store(&value) }

// Answer has every request answered by h; nil: as a platform should.
func (p *Platform) Answer(h http.HandlerFunc) {
	if h == nil {
		p.instead.Store(nil)
		return
	}
	p.instead.Store(&h)
}

// hold keeps every answer back until answerNow is called. A value can be received from asked for each request that has come.
func (p *Platform) hold() (asked <-chan struct{}, answerNow func()) {
	came, release := make(chan struct{}, 10), make(chan struct{})
	p.Answer(func(w http.ResponseWriter, r *http.Request) {
		select {
		case came <- struct{}{}:
		default: // nobody counts that far
		}
		select {
		case <-release:
			answer(w, http.StatusOK, "application/json", accountBody)
		case <-r.Context().Done():
		}
	})
	return came, sync.OnceFunc(func() { close(release) })
}

func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch h := p.instead.Load(); {
	case h != nil:
		(*h)(w, r)
	case r.Method != http.MethodGet || r.URL.Path != "/api/v1/requester":
		answer(w, http.StatusNotFound, "application/json", missingBody)
	case r.Header.Get("Authorization") != "ApiKey "+p.Token():
		Refuse(w, r)
	default:
		answer(w, http.StatusOK, "application/json", accountBody)
	}
}

// Refuse is how the platform answers a token that it does not know. Like a careless server it repeats the token.
func Refuse(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusUnauthorized, "application/json", fmt.Sprintf(rejectedBody, r.Header.Get("Authorization")))
}

// Hang answers when the client has gone.
func Hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Fixed answers always the same.
func Fixed(status int, mediaType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, mediaType, body) }
}

func answer(w http.ResponseWriter, status int, mediaType, body string) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // an error means that the client has gone
}
