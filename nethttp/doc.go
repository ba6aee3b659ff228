// Package nethttp connects a credential checker to net/http: a gate around the handlers that need the platform, and the
// health endpoints that load balancers and Kubernetes poll. It works with [http.ServeMux] and with every router and
// middleware chain that speaks http.Handler.
//
//	mux := http.NewServeMux()
//	nethttp.RegisterHealth(mux, checker)                // /healthz /readyz /livez /startupz
//	mux.Handle("/tasks", nethttp.Gate(checker)(tasks))  // 503 while the credential is not good
//
// The adapter decides nothing. What the endpoints answer, what the gate promises, and all options are in package
// middleware; so is AccountFrom, which gives handlers the verified account.
package nethttp
