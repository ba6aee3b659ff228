// Package nethttp connects a credential checker to net/http: a gate around the handlers that need
// the platform, the health endpoints that load balancers and Kubernetes poll, and a RoundTripper
// that adds the verified token to the service's own calls. It works with [http.ServeMux] and every
// router and middleware chain for http.Handler.
//
//	mux := http.NewServeMux()
//	nethttp.RegisterHealth(mux, checker)               // /healthz /readyz /livez /startupz
//	mux.Handle("/tasks", nethttp.Gate(checker)(tasks)) // 503 while the credential is invalid
//
//	client := &http.Client{Transport: nethttp.Transport(checker, nil)} // sends the verified token
//
// The adapter contains no logic of its own. Package middleware has the options, documents the
// responses, and has AccountFrom, which returns the verified account in handlers.
package nethttp
