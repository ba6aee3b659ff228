package redisstore_test

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/tolokacheck/tolokacheck/health/redisstore"
)

func ExampleNew() {
	client := redis.NewClient(&redis.Options{Addr: "redis:6379"})
	defer client.Close()
	_, err := redisstore.New(client)
	fmt.Println(err)

	client = redis.NewClient(&redis.Options{Addr: "redis:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	store, err := redisstore.New(client, redisstore.WithPrefix("team-a:"))
	fmt.Println(store != nil, err)
	// Output:
	// redisstore: the *redis.Client ignores the deadlines of contexts: set ContextTimeoutEnabled to true in its options
	// true <nil>
}
