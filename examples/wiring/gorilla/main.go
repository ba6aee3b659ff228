// Command gorilla has the health endpoints and a gate with gorilla/mux.
package main

import (
	"net"
	"net/http"

	"github.com/gorilla/mux"
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
	router := mux.NewRouter()
	for path, endpoint := range routes {
		router.Handle(path, endpoint)
	}
	tasks := router.PathPrefix("/tasks").Subrouter()
	tasks.Use(nethttp.Gate(checker, middleware.WithAccountInContext()))
	tasks.HandleFunc("", func(w http.ResponseWriter, r *http.Request) {
		account, _ := middleware.AccountFrom(r.Context())
		_, _ = w.Write([]byte(account.ID()))
	})
	return http.Serve(listener, router)
}
