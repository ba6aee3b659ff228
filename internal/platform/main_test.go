package platform

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "AAAAAAAAAAAAAAAAAAAAAA.0000000000000000000000000000000000000000"

// transport is a function as an http.RoundTripper.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(r *http.Request, status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}
}

func accept(r *http.Request) (*http.Response, error) {
	return respond(r, 200, nil, `{"id":"1"}`), nil
}

const timeout = 5 * time.Second

// callerOf returns a Caller that uses f, and a token.
func callerOf(t *testing.T, f transport) (*Caller, credentials.Token) {
	t.Helper()
	client, err := requester.New(requester.Production,
		requester.WithHTTPClient(&http.Client{Transport: f}), requester.WithTimeout(timeout))
	require.NoError(t, err)
	token, err := credentials.ParseToken(secret)
	require.NoError(t, err)
	return NewCaller(client), token
}
