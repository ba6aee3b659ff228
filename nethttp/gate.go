package nethttp

import (
	"net/http"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// Gate returns middleware that lets requests through while the credential is valid (pass or warn).
// While it is not (fail), the middleware answers 503 with a constant problem details body and
// Retry-After. See [middleware.Gate] for the details and [middleware.GateOption] for the options.
//
// Gate panics if the checker is nil or an option is invalid, as [http.ServeMux.Handle] does for
// invalid arguments. [middleware.NewGate] returns an error instead.
//
// fiber's net/http adaptor does not pass the request's context on to fiber's handlers, so
// [middleware.AccountFrom] finds no account there: examples/wiring/fiber3 shows a gate with
// [middleware.Gate.Admit] instead. There are programs for gin, gorilla/mux, httprouter, chi,
// connect-go and grpc-gateway, too.
func Gate(c middleware.Snapshotter, opts ...middleware.GateOption) func(http.Handler) http.Handler {
	return must(middleware.NewGate(c, opts...)).Wrap
}

// must panics with the error of a constructor.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
