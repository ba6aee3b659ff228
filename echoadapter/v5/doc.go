// Package echoadapter connects a credential checker to Echo v5: a gate as an echo.MiddlewareFunc,
// and the health endpoints that load balancers and Kubernetes poll. It follows Echo's conventions:
// a [Config] with a Skipper, and errors that are returned, so that the service's own
// HTTPErrorHandler renders them. For Echo v4 use package echoadapter; both behave alike.
//
//	e := echo.New()
//	echoadapter.RegisterHealth(e, checker)                // /healthz /readyz /livez /startupz
//	tasks := e.Group("/tasks", echoadapter.Gate(checker)) // 503 while the credential is invalid
//
// The adapter contains no logic of its own. Package middleware documents the responses and has the
// options of the health endpoints.
//
// # Where to put the gate
//
// Put the gate on a group with a prefix or on single routes. With Use on the whole Echo it is also
// in front of the health endpoints, and a liveness probe that gets 503 restarts the service.
//
// Echo runs a group's middleware for unknown paths under its prefix as well, so a closed gate
// answers them with 503 instead of 404. In a group without a prefix these are all unknown paths of
// the service. Echo has a setting that keeps them 404:
//
//	e := echo.NewWithConfig(echo.Config{NoGroupAutoRegister404Routes: true})
//
// # CORS
//
// Put CORS middleware before the gate: a closed gate answers a preflight request with 503. Unlike
// that of Echo v4, it does not answer a load balancer's OPTIONS, which has no Origin, so it may be
// in front of the health endpoints.
package echoadapter
