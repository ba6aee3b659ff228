// Command chi has the health endpoints and a gate with chi.
package main

import (
	"net"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/tolokacheck/tolokacheck/examples/wiring/internal/service"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func main() { service.Run(serve) }

func serve(checker middleware.Snapshotter, listener net.Listener) error {
	router := chi.NewRouter()
	nethttp.RegisterHealth(router, checker) // chi takes patterns with a method, as ServeMux does
	router.Route("/tasks", func(tasks chi.Router) {
		tasks.Use(nethttp.Gate(checker, middleware.WithAccountInContext()))
		tasks.Get("/", func(w http.ResponseWriter, r *http.Request) {
			account, _ := middleware.AccountFrom(r.Context())
			_, _ = w.Write([]byte(account.ID()))
		})
	})
	return http.Serve(listener, router)
}
