// Command without is the same program as the command with, without this library.
package main

import (
	"log"
	"net/http"
)

func main() {
	mux := http.NewServeMux()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	mux.Handle("/healthz", ok)
	mux.Handle("/tasks", ok)
	log.Fatal(http.ListenAndServe("localhost:8080", mux))
}
