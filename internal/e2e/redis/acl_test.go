package redis_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// documentedRights returns the rights in the documentation of redisstore.
func documentedRights(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("../../../health/redisstore/doc.go")
	require.NoError(t, err)
	_, line, ok := strings.Cut(string(source), "ACL SETUSER tolokacheck on >password ")
	require.True(t, ok)
	line, _, _ = strings.Cut(line, "\n//\n")
	rights := strings.Fields(strings.ReplaceAll(line, "\n//", "\n"))
	require.Subset(t, rights, []string{"resetchannels", "~toloka:*", "-@all", "+evalsha", "+del"})
	return rights
}

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
	restrict(server, documentedRights(t)...)
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
	rights := documentedRights(t)
	for _, server := range servers {
		restrict(server, append(rights, "+cluster|slots", "+command")...)
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
	rights := documentedRights(t)
	for i, right := range rights {
		if right[0] != '+' && right[0] != '~' {
			continue // takes rights away
		}
		t.Run(strings.Trim(right, "+~:*"), func(t *testing.T) {
			server.Do("FLUSHALL")
			server.Do("SCRIPT", "FLUSH")
			restrict(server, slices.Delete(slices.Clone(rights), i, i+1)...)
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
