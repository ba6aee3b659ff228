// Package redistest runs real Redis servers for tests, on loopback ports and without persistence:
// one server, a cluster, and a primary with a replica and sentinels.
//
// The environment variable TOLOKACHECK_REDIS_SERVER names another server's program, such as
// valkey-server. Default: redis-server.
package redistest
