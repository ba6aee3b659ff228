// Package middleware is what a service's HTTP side makes of the verdict on its credential, whatever the framework: a
// [Gate] that closes the routes which need the platform, the [Endpoint]s that load balancers and Kubernetes poll, and the
// verified account in the request's context. Everything is decided here; packages nethttp and echoadapter only translate.
// Use those to wire a service, and this package for their options and for [AccountFrom]:
//
//	nethttp.RegisterHealth(mux, checker, middleware.WithPrefix("/internal"))
//	mux.Handle("/tasks", nethttp.Gate(checker, middleware.WithAccountInContext())(tasks))
//
//	account, ok := middleware.AccountFrom(r.Context()) // in the handler
//
// # What is answered
//
// The health endpoints follow the draft health+json format (draft-inadarei-api-health-check-06); by default they say
// {"status":"pass"}, "warn" or "fail" and nothing else. [WithDetails] allows more to those whom the service trusts.
//
//	path       200 as long as                                 looks at
//	/healthz   the service should get traffic: pass, warn     Snapshot.Readiness
//	/readyz    the same                                       Snapshot.Readiness
//	/livez     the process answers                            nothing
//	/startupz  Start has returned nil, once                   Snapshot.Started
//
// The gate follows Snapshot.Status, so it stays open while the service drains. Closed, it answers 503 with a constant
// problem details body (RFC 9457). Every 503 of this package has a Retry-After, and no answer may be stored by caches.
//
// # What it costs
//
// A request reads the snapshot, which is one atomic load, and nothing else: no lock, no clock, no I/O, no allocation, and no
// memory that is written to by several processors. Answers are rendered once per snapshot, their header values included.
//
// # Wiring
//
// Constructors panic if a checker is nil, as net/http and Echo do for a nil handler: they are called once, before the first
// request, and mostly inside one expression. No option can fail, and nothing here panics on what a request holds.
package middleware
