package health

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/internal/outgoing"
)

// The body of a response that is not returned is read up to drainLimit bytes and for up to
// drainTime, so that its connection can be reused. More would cost more than a new connection.
const (
	drainLimit = 64 << 10
	drainTime  = 100 * time.Millisecond
)

// Package nethttp gets the transport this way, so that this package exports no second one.
func init() {
	outgoing.Transport = func(checker any, base http.RoundTripper) http.RoundTripper {
		return newTransport(checker.(*Checker), base)
	}
}

// newTransport returns what is documented at nethttp.Transport.
func newTransport(c *Checker, base http.RoundTripper) http.RoundTripper {
	if c == nil {
		panic(errors.New(
			"nethttp: Transport: the checker is nil; handle the error of health.New first"))
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{checker: c, base: base}
}

type transport struct {
	checker *Checker
	base    http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	lent, err := t.checker.lend(req)
	if err != nil {
		closeBody(req) // a RoundTripper must close the body on errors too
		return nil, err
	}
	if lent == nil {
		return t.base.RoundTrip(req)
	}
	resp, err := t.send(req, req, lent)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	next := lent.replacement(req.Context())
	if next == nil {
		return resp, nil
	}
	again, ok := replay(req)
	if !ok {
		return resp, nil
	}
	discard(resp.Body)
	return t.send(again, req, next)
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// send makes one attempt at the caller's request. The response does not refer to the request with
// the token.
func (t *transport) send(attempt, callers *http.Request, lent *loan) (*http.Response, error) {
	resp, err := t.base.RoundTrip(authorized(attempt, lent))
	if resp == nil && err == nil {
		return nil, errors.New(
			"nethttp: Transport: the base returned neither a response nor an error")
	}
	if resp != nil {
		resp.Request = callers
	}
	return resp, err
}

// discard drains and closes the body of a response that is not returned. It does so in a goroutine
// of its own, because Read and Close of a body from base may hang or panic.
func discard(body io.ReadCloser) {
	if body == nil {
		return
	}
	go func() {
		defer ignorePanic()
		tooLong := time.AfterFunc(drainTime, func() {
			defer ignorePanic()
			_ = body.Close()
		})
		defer tooLong.Stop()
		_, _ = io.CopyN(io.Discard, body, drainLimit)
		_ = body.Close()
	}()
}

// ignorePanic is for defer. A panic in a goroutine of discard would end the process.
func ignorePanic() { _ = recover() }

// authorized returns a copy of req that carries the token.
func authorized(req *http.Request, lent *loan) *http.Request {
	out := req.WithContext(req.Context())
	out.Header = req.Header.Clone()
	if out.Header == nil {
		out.Header = make(http.Header)
	}
	lent.authorize(out.Header)
	return out
}

// replay returns the request with a body that has not been read, if that is possible.
func replay(req *http.Request) (*http.Request, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again := req.WithContext(req.Context())
	again.Body = body
	return again, true
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
