// Command httprouter has the health endpoints and a gate with julienschmidt/httprouter.
package main

import (
	"net"
	"net/http"

	"github.com/julienschmidt/httprouter"
	"github.com/tolokacheck/tolokacheck/examples/wiring/internal/service"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func main() { service.Run(serve) }

func serve(checker middleware.Snapshotter, listener net.Listener) error {
	routes, err := middleware.Routes(checker)
	if err != nil {
		return err
	}
	router := httprouter.New()
	for path, endpoint := range routes {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			router.Handler(method, path, endpoint)
		}
	}
	gate := nethttp.Gate(checker, middleware.WithAccountInContext()) // for each gated route
	tasks := func(w http.ResponseWriter, r *http.Request) {
		account, _ := middleware.AccountFrom(r.Context())
		_, _ = w.Write([]byte(account.ID()))
	}
	router.Handler(http.MethodGet, "/tasks", gate(http.HandlerFunc(tasks)))
	return http.Serve(listener, router)
}
