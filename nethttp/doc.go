// Package nethttp connects a credential checker to net/http: a gate around the handlers that need the platform, the health
// endpoints that load balancers and Kubernetes poll, and a RoundTripper that lends the verified token to the service's own
// calls. It works with [http.ServeMux] and with every router and middleware chain that speaks http.Handler.
//
//	mux := http.NewServeMux()
//	nethttp.RegisterHealth(mux, checker)               // /healthz /readyz /livez /startupz
//	mux.Handle("/tasks", nethttp.Gate(checker)(tasks)) // 503 while the credential is not good
//
//	client := &http.Client{Transport: nethttp.Transport(checker, nil)} // outgoing calls carry the verified token
//
// The adapter decides nothing. What the endpoints answer, what the gate promises, and all options are in package
// middleware; so is AccountFrom, which gives handlers the verified account.
package nethttp
