package nethttp

import (
	"net/http"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// Gate returns middleware that lets requests through while the credential is good (pass or warn), and answers 503 with a
// constant problem details body and Retry-After while it is not (fail). Open, it hands on the same ResponseWriter and the
// same request and costs a few nanoseconds and no allocation. See [middleware.Gate] for what it promises, and
// [middleware.GateOption] for what can be changed.
//
// It panics if the checker is nil.
func Gate(c middleware.Snapshotter, opts ...middleware.GateOption) func(http.Handler) http.Handler {
	return middleware.NewGate(c, opts...).Wrap
}
