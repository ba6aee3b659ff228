// Package platform makes single calls to the platform on behalf of the packages health and
// middleware. A [Caller] survives whatever a user's RoundTripper does; a [Breaker] decides
// whether a call may be made. Both report answers and decide nothing about a credential.
package platform
