package exampletest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// Responses from the platform's documentation. They do not come from package requestertest, so that
// the tests of the examples do not depend on the library's own fake alone.
const (
	accountBody = `{"id": "566ec2b0ff0deeaae5f9d500629de162", "balance": 121.3, ` +
		`"public_name": {"EN": "Jack Smith"}, ` +
		`"company": {"id": "123", "superintendent_id": "566ec2b0ff0deeaae5f9d500629de162"}}`
	rejectedBody = `{"request_id": "90edd7d4", "code": "AUTHENTICATION_ERROR", ` +
		`"message": "Token %s is unknown", "payload": null}`
	missingBody = `{"request_id": "90edd7d5", "code": "DOES_NOT_EXIST", "message": "No such thing"}`
)

// APIKey has the shape of the platform's tokens.
const APIKey = "AQVNyJ4kLQmrUcwzeR8sB2.k7Hn2c5PqXbWvTzY9dFgJ3mLrA6sEuC1." +
	"Zo8iNw4xVt7yKb0qDp5aGf2hRj9lMe3sUc6"

// AccountJSON is the response of GET /account for accountBody.
const AccountJSON = `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,` +
	`"public_name":{"EN":"Jack Smith"},` +
	`"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`

// Platform is a platform that accepts one token.
type Platform struct {
	URL string

	token   atomic.Pointer[string]
	instead atomic.Pointer[http.HandlerFunc]
}

// NewPlatform starts a platform on a loopback port until the test ends.
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

// Token returns the accepted token.
func (p *Platform) Token() string { return *p.token.Load() }

// SetToken replaces the accepted token.
func (p *Platform) SetToken(value string) { p.token.Store(&value) }

// Answer sets the handler for all requests. Nil restores the platform's normal responses.
func (p *Platform) Answer(h http.HandlerFunc) {
	if h == nil {
		p.instead.Store(nil)
		return
	}
	p.instead.Store(&h)
}

// hold delays every response until answerNow is called. asked receives a value for each of the
// first ten requests.
func (p *Platform) hold() (asked <-chan struct{}, answerNow func()) {
	came, release := make(chan struct{}, 10), make(chan struct{})
	p.Answer(func(w http.ResponseWriter, r *http.Request) {
		select {
		case came <- struct{}{}:
		default: // more than ten
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

// Refuse answers like the platform does to an unknown token. The response contains the token, like
// that of a careless server.
func Refuse(w http.ResponseWriter, r *http.Request) {
	body := fmt.Sprintf(rejectedBody, r.Header.Get("Authorization"))
	answer(w, http.StatusUnauthorized, "application/json", body)
}

// Hang does not answer until the client disconnects.
func Hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Fixed returns a handler that always sends the same response.
func Fixed(status int, mediaType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, mediaType, body) }
}

func answer(w http.ResponseWriter, status int, mediaType, body string) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // an error means that the client has disconnected
}
