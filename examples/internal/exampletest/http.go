package exampletest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Answer is a response, as far as the tests need it.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// client makes a connection per request, so that tests do not share connections.
var client = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   patience,
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

// Ask makes one request and returns the response.
func Ask(t *testing.T, method, url string) Answer {
	t.Helper()
	a, err := ask(t, method, url)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

func ask(t *testing.T, method, url string) (Answer, error) {
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		return Answer{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header, string(body)}, err
}

// Eventually repeats a request until the response has the status and the body, without surrounding
// white space.
func Eventually(t *testing.T, url string, status int, body string) Answer {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		a := Ask(t, http.MethodGet, url)
		if a.Status == status && strings.TrimSpace(a.Body) == body {
			return a
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("GET %s is still %d %q, not %d %q", url, a.Status, a.Body, status, body)
		}
	}
}

// Expect makes one request and compares status and body, without surrounding white space.
func Expect(t *testing.T, method, url string, status int, body string) Answer {
	t.Helper()
	a := Ask(t, method, url)
	if a.Status != status || strings.TrimSpace(a.Body) != body {
		t.Fatalf("%s %s: %d %q, not %d %q", method, url, a.Status, a.Body, status, body)
	}
	return a
}

// ExpectHeader compares one header of the response.
func (a Answer) ExpectHeader(t *testing.T, key, value string) {
	t.Helper()
	if got := a.Header.Get(key); got != value {
		t.Errorf("%s is %q, not %q", key, got, value)
	}
}
