package middleware

import (
	"net/http"

	"github.com/tolokacheck/tolokacheck/health"
)

// GateOption configures a [Gate].
type GateOption interface {
	applyGate(*gateConfig)
}

type gateConfig struct {
	skip    func(*http.Request) bool
	reject  func(http.ResponseWriter, *http.Request, *health.Error)
	account bool
}

type gateOption func(*gateConfig)

func (o gateOption) applyGate(c *gateConfig) { o(c) }

// WithSkipper lets the requests for which skip returns true through without a look at the credential, and without an
// account in their context. By default, and with nil, none are. It is called for every request, by many goroutines at
// once.
func WithSkipper(skip func(*http.Request) bool) GateOption {
	return gateOption(func(c *gateConfig) { c.skip = skip })
}

// WithRejectionHandler lets the service answer in its own words when the gate is closed. The handler writes status and
// body; Retry-After and Cache-Control: no-store are set before it is called, and it may change them. The error says why,
// for a log: it is not for the public. By default, and with nil, the answer is 503 with a constant [Problem].
//
// It is called by many goroutines at once, and must not change the error, which all of them share.
func WithRejectionHandler(handler func(w http.ResponseWriter, r *http.Request, err *health.Error)) GateOption {
	return gateOption(func(c *gateConfig) { c.reject = handler })
}

// WithAccountInContext puts the verified account into the context of the requests that are let through, where
// [AccountFrom] and [AccountOf] find it. By default it is not there, because it costs two allocations per request, which
// net/http forces; the Account method of the checker gives the account at no cost.
func WithAccountInContext() GateOption {
	return gateOption(func(c *gateConfig) { c.account = true })
}
