// Package middleware is the framework-neutral HTTP side of a credential checker: a [Gate] in front
// of the routes that need the platform, the endpoints that load balancers and Kubernetes poll (see
// [Routes]), and the verified account in the request's context. Services use it through the
// adapters in packages nethttp and echoadapter, which contain no logic; the options and
// [AccountFrom] are here:
//
//	nethttp.RegisterHealth(mux, checker, middleware.WithPrefix("/internal"))
//	mux.Handle("/tasks", nethttp.Gate(checker, middleware.WithAccountInContext())(tasks))
//
//	account, ok := middleware.AccountFrom(r.Context()) // in the handler
//
// [Callers] and [CallerGate] verify the platform tokens that requests bring, in a service or, as
// [CallerGate.ForwardAuth], for a reverse proxy.
//
// # Responses
//
// The health endpoints use the draft health+json format (draft-inadarei-api-health-check-06). By
// default the body is {"status":"pass"}, "warn" or "fail" and nothing else; [WithDetails] shows
// more to trusted clients.
//
//	path       200 while                                      reads
//	/healthz   the service should get traffic: pass, warn     Snapshot.Readiness
//	/readyz    the same                                       Snapshot.Readiness
//	/livez     the process answers                            nothing
//	/startupz  Start has returned nil (permanent)             State.Started
//	/statusz   the request may see details                    everything
//
// /statusz is a page for people, which is off by default; see [WithStatusPage].
//
// The gate follows Snapshot.Status, so it stays open while the service drains. A closed gate
// answers 503 with a constant problem details body (RFC 9457). Every 503 of this package has a
// Retry-After header, and no response may be cached.
//
// # Probes
//
// Configure Apache's hcmethod as GET or HEAD. With OPTIONS, Apache asks for "OPTIONS *", which Go's
// HTTP server answers with 200 before any handler is called.
//
// # Caches
//
// The gate decides about requests that reach the service. Handlers behind it should set
// Cache-Control: no-store or private; otherwise a shared cache can serve their responses while the
// gate is closed.
//
// # Cost
//
// A request to a [Gate] or a health endpoint costs one atomic load of the snapshot: no lock, no
// clock, no I/O, no allocation, and no write to memory that processors share. Responses are
// rendered once per snapshot, header values included. A known caller costs two allocations and no
// lock.
//
// # Errors
//
// Constructors return an error that lists every invalid option. A nil checker and a nil option are
// errors. After construction nothing in this package fails or panics because of a request, but
// functions of the service that it calls ([WithSkipper], [Allow], rejection handlers) may.
package middleware
