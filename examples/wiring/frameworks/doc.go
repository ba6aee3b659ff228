// Package frameworks tests the checker inside health frameworks.
//
// Frameworks show the error of a check to their clients: give them checker.PublicCheck, or
// checker.PublicReadiness for what load balancers poll. Those that cache results or check
// periodically add their own period to the time until a change shows; the checker answers from
// memory, so the shortest period costs nothing.
//
//	health.Check{Name: "toloka", Check: checker.PublicReadiness} // alexliesenfeld/health
//	health.Config{Name: "toloka", Check: checker.PublicReadiness} // hellofresh/health-go
//
// AppsFlyer/go-sundheit takes a function that returns details too, and k8s.io/apiserver one that
// takes a request; the tests show both. The first request of alexliesenfeld/health also caches for
// a second, unless health.WithDisabledCache is set.
//
// Frameworks whose checks have no context take a closure: heptiolabs/healthcheck a func() error,
// and InVisionApp/go-health an ICheckable, whose Status method returns details and an error.
package frameworks
