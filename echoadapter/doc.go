// Package echoadapter connects a credential checker to Echo v4: a gate as an echo.MiddlewareFunc,
// and the health endpoints that load balancers and Kubernetes poll. It follows Echo's conventions:
// a [Config] with a Skipper, and errors that are returned, so that the service's own
// HTTPErrorHandler renders them. For Echo v5 use package echoadapter/v5; both behave alike.
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
// the service. Register Echo's own handler for them after the group:
//
//	api := e.Group("", echoadapter.Gate(checker))
//	e.RouteNotFound("/*", echo.NotFoundHandler)
//
// # CORS
//
// Put CORS middleware before the gate: a closed gate answers a preflight request with 503. But
// Echo's CORS middleware answers OPTIONS itself, with 204. In front of the health endpoints it
// hides the verdict from load balancers that probe with OPTIONS, as HAProxy does by default: give
// it a Skipper for their paths.
package echoadapter
