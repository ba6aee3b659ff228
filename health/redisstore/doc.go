// Package redisstore is a shared.Store in Redis or Valkey, for replicas of a service that share
// what the platform answered about their token. Give each replica a client of the same server:
//
//	client := redis.NewClient(&redis.Options{
//		Addr:                  "redis:6379",
//		ContextTimeoutEnabled: true, // required: operations end with their context
//		MaxRetries:            -1,   // recommended: the next check is the retry
//		DialerRetries:         1,    // recommended: errors say why the server is not reached
//	})
//	store, err := redisstore.New(client)
//
// New also takes the client of Sentinel (redis.NewFailoverClient), of a cluster
// (redis.NewClusterClient) and a redis.Ring. The service may use the client for other things, and
// closes it. redis.ParseURL does not set ContextTimeoutEnabled: set it in the options that it
// returns. go-redis logs failed connections itself, see redis.SetLogger.
//
// # Server
//
// Redis 7 or later, or Valkey, without modules; the tests run with Redis 7.0. Persistence is not
// necessary: after a loss of everything one replica asks the platform, and the others take its
// answer. Any maxmemory-policy will do; the loss of any key costs at most one more call of the
// platform. With noeviction and a full memory Look returns an error.
//
// For each token there are up to five keys, which all expire: key:verdict, key:trouble,
// key:lease, key:replicas0 and key:replicas1. They need about 2 KB for a few replicas and up to
// 32 KB for more than a thousand, the most of it to count them, with answers of 500 bytes.
//
// A Look is one script, and one round trip. It takes the server 12 to 40 µs, so 100,000 replicas
// that check every minute use less than a tenth of one core. If no lease is granted, it writes only
// the count of replicas, and only if it changes. A Put is one script, too. The server gets each
// script by EVAL once, then by EVALSHA.
//
// # Access rights
//
// A user of its own needs these rights, with the pattern ~prefix* in case of [WithPrefix]:
//
//	ACL SETUSER tolokacheck on >password resetchannels ~toloka:* -@all
//	    +evalsha +eval +time +pfadd +pfcount +pexpireat +getrange +pttl +set +del
//
// In a cluster it needs +cluster|slots and +command, too. go-redis may also send CLIENT SETINFO; it
// ignores a refusal, which is in ACL LOG.
//
// # Sentinel and Cluster
//
// Commands go to primaries only. All keys of a token are in one slot of a cluster. While it moves
// to another server, operations return an error (TRYAGAIN).
//
// Replication is asynchronous, so a failover may lose the last lease and answer. Then a replica
// asks the platform once more than necessary, and replicas that have seen the lost answer ignore
// the older one.
//
// Ages and fences are measured with the clock of the primary. Keep the clocks of the servers
// together, for example by NTP: after a failover ages are wrong by their difference. An entry or
// a lease whose age cannot be right, because the clock was set back, counts as absent.
package redisstore
