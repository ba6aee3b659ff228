// Package frameworks tests the checker inside health frameworks.
//
// Frameworks show the error of a check to their clients: give them checker.PublicReadiness. A
// framework that caches results or checks periodically shows a change later by that period. The
// checker answers from memory, so a short period costs nothing; alexliesenfeld/health caches for a
// second, unless its WithDisabledCache is set.
//
//	health.Check{Name: "toloka", Check: checker.PublicReadiness}  // alexliesenfeld/health
//	health.Config{Name: "toloka", Check: checker.PublicReadiness} // hellofresh/health-go
//
// The check of AppsFlyer/go-sundheit also returns details, and that of k8s.io/apiserver takes a
// request: the tests show both.
//
// Not tested here are heptiolabs/healthcheck, whose check is a func() error, and
// InVisionApp/go-health, whose ICheckable has a method Status() (any, error). A closure around
// PublicReadiness fits both.
package frameworks
