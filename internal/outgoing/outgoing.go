// Package outgoing connects nethttp with package health, so that nethttp.Transport is the only
// exported way to get a transport.
package outgoing

import "net/http"

// Transport returns the RoundTripper of a *health.Checker over base, which may be nil. Package
// health sets it when the program starts.
var Transport func(checker any, base http.RoundTripper) http.RoundTripper
