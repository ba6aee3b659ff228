package middleware

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// WithDetails adds details to the answer of requests with the query ?verbose for which allowed
// returns true: reasons, account, balance, the token's source and fingerprint, the platform's
// latency and the circuit breaker. The token is never part of it. Other requests with ?verbose get
// the same answer as without.
//
// [LoopbackOnly] and [BearerToken] are policies. One of your own must decide by something that a
// client cannot choose, such as an authenticated user or a separate listener for operators; never
// by X-Forwarded-For. By default no request gets details; a nil policy is an error.
//
// allowed is called only for requests with ?verbose, concurrently. If it panics, the request gets
// no details, and the first panic of each endpoint is logged by the type of its value, where
// net/http logs panics ([http.Server.ErrorLog]).
func WithDetails(allowed func(*http.Request) bool) HealthOption {
	return func(c *healthConfig) error {
		if allowed == nil {
			return errors.New(
				"WithDetails: the policy is nil (BearerToken returns nil for the zero Token)")
		}
		c.details = allowed
		return nil
	}
}

// LoopbackOnly is a policy for [WithDetails]. It allows requests that come from the same machine.
// All of these must hold:
//   - The peer's address is a loopback address. A Unix socket has no such address.
//   - The Host header names this machine: localhost or a loopback address.
//   - No header says that a proxy forwarded the request: Forwarded, Via, X-Real-Ip, X-Forwarded-….
//   - The protocol is not HTTP/1.0, which older versions of nginx use as a proxy.
//
// Do not use it behind a reverse proxy on the same machine that adds none of these headers and
// replaces Host, as nginx does without proxy_set_header: all requests from outside look local then.
// Use [BearerToken] there, or a separate listener for operators.
func LoopbackOnly(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback() &&
		isLocalHost(r.Host) && !isForwarded(r.Header) && r.ProtoAtLeast(1, 1)
}

// isLocalHost reports whether a Host header names this machine. The check also stops web pages
// that reach a local port by DNS rebinding.
func isLocalHost(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil && addr.Unmap().IsLoopback()
}

func isForwarded(h http.Header) bool {
	for key := range h {
		switch key {
		case "Forwarded", "Via", "X-Real-Ip":
			return true
		}
		if strings.HasPrefix(key, "X-Forwarded-") {
			return true
		}
	}
	return false
}

// BearerToken returns a policy for [WithDetails] that allows requests with exactly one
// Authorization header of the form "Bearer <token>". The comparison takes constant time. Choose a
// long random token of its own for this purpose, not the platform's, and read it like any other
// secret:
//
//	ops, err := credentials.Env("OPS_TOKEN").Token(ctx)
//	…
//	nethttp.RegisterHealth(mux, checker, middleware.WithDetails(middleware.BearerToken(ops)))
//
// For the zero Token it returns nil, which WithDetails rejects. The header is sent in plain text
// over http: use https outside of one machine.
func BearerToken(token credentials.Token) func(*http.Request) bool {
	if token.IsZero() {
		return nil
	}
	want := sha256.Sum256([]byte(token.Reveal()))
	return func(r *http.Request) bool {
		values := r.Header["Authorization"]
		if len(values) != 1 {
			return false
		}
		scheme, value, _ := strings.Cut(values[0], " ")
		// Digests have one length, so that the comparison does not reveal the token's length.
		got := sha256.Sum256([]byte(strings.TrimLeft(value, " ")))
		return subtle.ConstantTimeCompare(got[:], want[:]) == 1 &&
			strings.EqualFold(scheme, "Bearer")
	}
}

// detailsPolicy calls the service's policy.
type detailsPolicy struct {
	allowed  func(*http.Request) bool
	panicked atomic.Bool
}

func newDetailsPolicy(allowed func(*http.Request) bool) *detailsPolicy {
	if allowed == nil {
		return nil
	}
	return &detailsPolicy{allowed: allowed}
}

// allows returns false if the policy panics: a bug in it must not turn a health answer into an
// error.
func (p *detailsPolicy) allows(r *http.Request) (ok bool) {
	defer func() {
		if value := recover(); value != nil {
			ok = false
			p.report(r, value)
		}
	}()
	return p.allowed(r)
}

// report logs the first panic only, because clients decide how many there are. The value itself may
// contain a secret of the request.
func (p *detailsPolicy) report(r *http.Request, value any) {
	if p.panicked.Swap(true) {
		return
	}
	logf := log.Printf
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok &&
		server.ErrorLog != nil {
		logf = server.ErrorLog.Printf
	}
	logf("middleware: the policy of WithDetails panicked (%T): its requests get no details", value)
}

// asksForDetails reports whether the query has the key "verbose", with or without a value. It
// allocates nothing.
func asksForDetails(query string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if key, _, _ := strings.Cut(pair, "="); key == "verbose" {
			return true
		}
	}
	return false
}
