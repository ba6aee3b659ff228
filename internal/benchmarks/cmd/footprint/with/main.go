// Command with is a net/http program that uses this library.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func main() {
	checker, err := health.New(credentials.Default())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	nethttp.RegisterHealth(mux, checker)
	mux.Handle("/tasks", nethttp.Gate(checker)(ok))
	go func() { log.Fatal(http.ListenAndServe("localhost:8080", mux)) }()
	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	select {}
}
