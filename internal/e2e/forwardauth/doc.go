// Package forwardauth tests the configurations of reverse proxies in front of
// examples/forwardauth and a backend, with the real proxies.
package forwardauth
