// Package echoadapter connects a credential checker to Echo: a gate as an echo.MiddlewareFunc, and the health endpoints
// that load balancers and Kubernetes poll. It follows Echo's habits: a [Config] with a Skipper beside the plain
// constructor, and errors that are returned, so that the service's own HTTPErrorHandler renders them.
//
//	e := echo.New()
//	echoadapter.RegisterHealth(e, checker)                // /healthz /readyz /livez /startupz
//	tasks := e.Group("/tasks", echoadapter.Gate(checker)) // 503 while the credential is not good
//
// The adapter decides nothing. What the endpoints answer, what the gate promises, and the options of the health endpoints
// are in package middleware.
//
// Echo's CORS middleware answers OPTIONS by itself with 204. Where it stands in front of the health endpoints, a balancer
// that probes by OPTIONS (HAProxy does by default) sees every service as healthy: give that middleware a Skipper for these
// paths.
package echoadapter
