package redis_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// rights are those of the documentation of redisstore, after "ACL SETUSER tolokacheck on >secret".
var rights = strings.Fields(`~toloka:* +evalsha +eval +time +pfadd +pfcount +pexpireat
	+getrange +pttl +set +del`)

// clusterRights are needed in addition by the client of a cluster.
var clusterRights = strings.Fields(`+cluster|slots +command`)

// restrict sets the rights of the user tolokacheck.
func restrict(server *redistest.Server, rights ...string) {
	args := []any{"ACL", "SETUSER", "tolokacheck", "reset", "on", ">secret"}
	for _, right := range rights {
		args = append(args, right)
	}
	server.Do(args...)
}

func asUser(o *redis.Options) { o.Username, o.Password = "tolokacheck", "secret" }

func TestRights_suffice(t *testing.T) {
	server := redistest.Start(t)
	restrict(server, rights...)
	client := server.Client(asUser)
	sharedtest.Run(t, func(t *testing.T) sharedtest.Driver {
		server.Do("SCRIPT", "FLUSH")
		return sharedtest.Driver{Store: newStore(t, client), Clear: func() { server.Do("FLUSHALL") }}
	})
	wantNoDenials(t, server)
}

// wantNoDenials checks that the server has denied only what go-redis can do without: the commands
// that name the client and ask for notifications of maintenance.
func wantNoDenials(t *testing.T, server *redistest.Server) {
	t.Helper()
	for _, denied := range server.Do("ACL", "LOG").([]any) {
		assert.Contains(t, fmt.Sprint(denied), "object client|")
	}
}

func TestRights_suffice_in_a_cluster(t *testing.T) {
	var addresses []string
	servers := redistest.StartCluster(t)
	for _, server := range servers {
		restrict(server, append(rights, clusterRights...)...)
		addresses = append(addresses, server.Address)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses,
		ContextTimeoutEnabled: true, Username: "tolokacheck", Password: "secret"})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	sharedtest.Run(t, func(t *testing.T) sharedtest.Driver {
		return sharedtest.Driver{Store: newStore(t, client), Clear: func() {
			for _, server := range servers {
				server.Do("FLUSHALL")
			}
		}}
	})
	for _, server := range servers {
		wantNoDenials(t, server)
		restrict(server, rights...)
	}
	fresh := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses,
		ContextTimeoutEnabled: true, Username: "tolokacheck", Password: "secret"})
	t.Cleanup(func() { require.NoError(t, fresh.Close()) })
	assert.ErrorContains(t, useAll(t.Context(), newStore(t, fresh)), "lists the rights")
}

func TestRights_one_less(t *testing.T) {
	server := redistest.Start(t)
	for i, right := range rights {
		t.Run(strings.Trim(right, "+~:*"), func(t *testing.T) {
			server.Do("FLUSHALL")
			server.Do("SCRIPT", "FLUSH")
			less := append(append([]string{}, rights[:i]...), rights[i+1:]...)
			restrict(server, less...)
			err := useAll(t.Context(), newStore(t, server.Client(asUser)))
			assert.ErrorContains(t, err, "the documentation of package redisstore lists the rights")

			restrict(server, rights...)
			require.NoError(t, useAll(t.Context(), newStore(t, server.Client(asUser))))
		})
	}
}

// useAll uses all commands.
func useAll(ctx context.Context, store shared.Store) error {
	for _, trouble := range []bool{true, false} {
		view, err := store.Look(ctx, key, shared.Query{Replica: "r", Lease: leaseTime})
		if err != nil {
			return err
		}
		_, err = store.Put(ctx, key, shared.Answer{Fence: view.Lease, Lease: leaseTime, Trouble: trouble})
		if err != nil {
			return err
		}
	}
	return nil
}
