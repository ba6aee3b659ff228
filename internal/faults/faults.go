// Package faults has faults for requestertest that only this repository's own tests need.
package faults

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// Join combines faults into one, the first outermost. A nil fault changes nothing.
func Join(faults ...requestertest.Fault) requestertest.Fault {
	return func(next http.Handler) http.Handler {
		for _, f := range slices.Backward(faults) {
			if f != nil {
				next = f(next)
			}
		}
		return next
	}
}

// Record calls f with every request before it is answered, from any goroutine.
func Record(f func(*http.Request)) requestertest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f(r)
			next.ServeHTTP(w, r)
		})
	}
}

// Times are the moments at which requests arrive.
type Times struct {
	mu  sync.Mutex
	all []time.Time
}

// Fault records requests.
func (t *Times) Fault() requestertest.Fault {
	return Record(func(*http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.all = append(t.all, time.Now())
	})
}

// All returns the moments, oldest first.
func (t *Times) All() []time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

// Header sets a header of any answer. An empty value removes it, also Date.
func Header(key, value string) requestertest.Fault {
	key = http.CanonicalHeaderKey(key)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if value == "" {
				w.Header()[key] = nil
			} else {
				w.Header().Set(key, value)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Redirect answers with that status, such as 302, and the location.
func Redirect(status int, location string) requestertest.Fault {
	return Join(Header("Location", location), requestertest.Body(status, "", ""))
}

// EchoToken answers with that status and repeats the received token wherever a careless server
// could: in every string of the body, and in headers. With 200 the id is a valid one, and the names
// and the company repeat the token.
func EchoToken(status int) requestertest.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			for _, key := range []string{
				"Retry-After", "Location", "Www-Authenticate", "X-Request-Id", "Server",
				"Set-Cookie",
			} {
				w.Header().Set(key, token)
			}
			body := `{"request_id":` + quote(token) + `,"code":` + quote(token) +
				`,"message":` + quote("Invalid token "+token) +
				`,"payload":` + quote(map[string]string{"interval": token, token: token}) + "}"
			if status == http.StatusOK {
				body = `{"id":` + quote(requestertest.DefaultAccount().ID) +
					`,"public_name":` +
					quote(map[string]string{"EN": "Jack " + token, token: token}) +
					`,"company":{"id":` + quote(token) + `,"superintendent_id":` + quote(token) +
					`},"token":` + quote(token) + `}`
			}
			requestertest.Body(status, "application/json;charset=UTF-8", body)(nil).ServeHTTP(w, r)
		})
	}
}

// quote returns v, a string or a map of strings, as JSON.
func quote(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

// Drip sends the headers at once and then the body byte by byte, one every d.
func Drip(d time.Duration) requestertest.Fault {
	return slowly(func(w http.ResponseWriter, r *http.Request, body []byte) {
		for i := range body {
			select {
			case <-time.After(d):
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
			send(w, body[i:i+1])
		}
	})
}

// Truncated announces the whole body, sends half of it and closes the connection.
func Truncated() requestertest.Fault {
	return slowly(func(w http.ResponseWriter, _ *http.Request, body []byte) {
		send(w, body[:len(body)/2])
		panic(http.ErrAbortHandler)
	})
}

// ResetMidBody sends the headers and half of the body, and then resets the connection.
func ResetMidBody() requestertest.Fault {
	return slowly(func(w http.ResponseWriter, r *http.Request, body []byte) {
		send(w, body[:len(body)/2])
		requestertest.Reset()(nil).ServeHTTP(w, r)
	})
}

// slowly sends the headers of the answer, with the length of its body, and leaves the body to f.
func slowly(f func(w http.ResponseWriter, r *http.Request, body []byte)) requestertest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			for key, values := range rec.Header() {
				if _, ok := w.Header()[key]; !ok {
					w.Header()[key] = values
				}
			}
			w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
			w.WriteHeader(rec.Code)
			send(w, nil)
			f(w, r, rec.Body.Bytes())
		})
	}
}

func send(w http.ResponseWriter, data []byte) {
	// An error means that the client is gone; the request's context ends the handler.
	_, _ = w.Write(data)
	_ = http.NewResponseController(w).Flush()
}
