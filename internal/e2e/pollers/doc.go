// Package pollers holds no code. Its tests run the example services behind load balancers and
// probers: HAProxy, nginx, Caddy, Apache, Varnish and the Prometheus blackbox exporter. They check
// when each of these takes a service out and puts it back: while the token is deleted, while the
// platform is down, and while the service drains.
//
// The configuration files in testdata are the snippets of .github/docs/load-balancers.md, in which
// the tests replace addresses and intervals.
//
// The tests fail if a server is not installed. On Debian, ../install-servers.sh installs them.
package pollers
