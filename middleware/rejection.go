package middleware

import (
	"net/http"

	"github.com/tolokacheck/tolokacheck/health"
)

// Rejection is the response to a request that a [Gate] or a [CallerGate] does not let through: the
// status, and a constant problem details body (RFC 9457) that does not reveal the reason. It is
// immutable. A Gate shares it between all requests that are rejected under one snapshot.
type Rejection struct {
	snapshot *health.Snapshot // of a Gate; may be nil; compared by identity
	err      error
	response *response
}

var _ http.Handler = (*Rejection)(nil)

// Status returns the HTTP status: 503, or of a CallerGate also 401 or 403.
func (r *Rejection) Status() int { return r.response.status }

// Err says why the request is rejected, for logs and error handlers. It is not for clients. The
// error of a Gate is a [*health.Error]. That of a CallerGate wraps the cause: the answer of the
// platform, the error of the [Allow] function, or why the platform was not asked.
func (r *Rejection) Err() error { return r.err }

// SetHeader sets Retry-After, WWW-Authenticate and Cache-Control: no-store, as far as the response
// has them, for a rejection with another body.
func (r *Rejection) SetHeader(h http.Header) {
	header := r.response.header[ofBody:]
	for i := range header {
		h[header[i].key] = header[i].values
	}
}

// ServeHTTP writes the response, to HEAD without the body. It allocates nothing.
func (r *Rejection) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.response.write(w, req) }

// rejectionHandler is the function of [WithRejectionHandler] and [WithCallerRejectionHandler].
type rejectionHandler func(http.ResponseWriter, *http.Request, *Rejection)

// serve writes the response, or has the handler write it. The handler may be nil.
func (r *Rejection) serve(w http.ResponseWriter, req *http.Request, handler rejectionHandler) {
	if handler == nil {
		r.ServeHTTP(w, req)
		return
	}
	r.SetHeader(w.Header())
	handler(w, req, r)
}
