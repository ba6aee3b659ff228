// Command without is a net/http program without this library: what the size of [with] is compared with.
package main

import (
	"log"
	"net/http"
)

func main() {
	mux := http.NewServeMux()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.Handle("/healthz", ok)
	mux.Handle("/tasks", ok)
	log.Fatal(http.ListenAndServe("localhost:8080", mux))
}
