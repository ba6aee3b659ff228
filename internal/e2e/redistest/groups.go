package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// StartCluster starts a cluster of three primaries.
func StartCluster(tb testing.TB, args ...string) []*Server {
	tb.Helper()
	var servers []*Server
	create := []string{"--cluster", "create"}
	for range 3 {
		_, bus, err := net.SplitHostPort(process.Reserve(tb))
		if err != nil {
			tb.Fatal(err)
		}
		servers = append(servers, Start(tb, append([]string{"--cluster-enabled", "yes",
			"--cluster-port", bus, "--cluster-node-timeout", "2000"}, args...)...))
		create = append(create, servers[len(servers)-1].Address)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	create = append(create, "--cluster-yes")
	out, err := exec.CommandContext(ctx, process.Find(tb, "redis-cli"), create...).CombinedOutput()
	if err != nil {
		tb.Fatalf("creating the cluster: %v\n%s", err, out)
	}
	for _, s := range servers {
		process.Await(tb, "the cluster", func() error {
			info := fmt.Sprint(s.Do("CLUSTER", "INFO"))
			if !strings.Contains(info, "cluster_state:ok") {
				return errors.New(info)
			}
			return nil
		})
	}
	return servers
}

// PrimaryName is the name that the sentinels give to the primary.
const PrimaryName = "fleet"

// Replicated is a primary with a replica and three sentinels, which promote the replica within
// seconds of the end of the primary.
type Replicated struct {
	Primary, Replica *Server
	// Sentinels are their addresses.
	Sentinels []string
}

// StartReplicated starts a Replicated.
func StartReplicated(tb testing.TB) *Replicated {
	tb.Helper()
	r := &Replicated{Primary: Start(tb)}
	host, port, err := net.SplitHostPort(r.Primary.Address)
	if err != nil {
		tb.Fatal(err)
	}
	r.Replica = Start(tb, "--replicaof", host+" "+port)
	process.Await(tb, "replication", func() error {
		info := fmt.Sprint(r.Replica.Do("INFO", "replication"))
		if !strings.Contains(info, "link_status:up") {
			return errors.New(info)
		}
		return nil
	})
	for range 3 {
		r.Sentinels = append(r.Sentinels, startSentinel(tb, host, port))
	}
	for _, address := range r.Sentinels {
		awaitSentinel(tb, address)
	}
	return r
}

func startSentinel(tb testing.TB, host, port string) string {
	tb.Helper()
	address := process.Reserve(tb)
	_, own, err := net.SplitHostPort(address)
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	config := fmt.Sprintf(`port %s
bind 127.0.0.1
dir %s
sentinel monitor %[3]s %s %s 2
sentinel down-after-milliseconds %[3]s 500
sentinel failover-timeout %[3]s 5000
`, own, dir, PrimaryName, host, port)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	process.Start(tb, program(tb), nil, file, "--sentinel")
	return address
}

// awaitSentinel waits until a sentinel knows the replica and the two other sentinels.
func awaitSentinel(tb testing.TB, address string) {
	tb.Helper()
	client := redis.NewSentinelClient(&redis.Options{Addr: address})
	defer client.Close()
	process.Await(tb, "the sentinel at "+address, func() error {
		state, err := client.Master(context.Background(), PrimaryName).Result()
		if err == nil && (state["num-slaves"] != "1" || state["num-other-sentinels"] != "2") {
			err = fmt.Errorf("%v", state)
		}
		return err
	})
}
