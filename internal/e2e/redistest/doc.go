// Package redistest runs real Redis servers for tests, on loopback ports and without persistence:
// one server, a cluster, and a primary with a replica and sentinels.
package redistest
