// Package redis tests health/redisstore with real servers: one server, Sentinel and Cluster, access
// rules, and what the server does when it is down, slow, full or not a primary.
package redis
