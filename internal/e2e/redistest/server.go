package redistest

import (
	"cmp"
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// programEnv is the environment variable with the program of the server.
const programEnv = "TOLOKACHECK_REDIS_SERVER"

// program returns the path of the server's program.
func program(tb testing.TB) string {
	tb.Helper()
	return process.Find(tb, cmp.Or(os.Getenv(programEnv), "redis-server"))
}

// Server is a Redis server. Its methods fail the test on errors. They are not safe for concurrent
// use.
type Server struct {
	// Address is its host and port.
	Address string

	tb      testing.TB
	args    []string
	process *process.Process
}

// Start starts a server with arguments such as "--maxmemory", "10mb", and stops it at the end of
// the test.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	s := &Server{Address: process.Reserve(tb), tb: tb}
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		tb.Fatal(err)
	}
	s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", tb.TempDir(),
		"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"}, args...)
	s.Restart()
	return s
}

// Restart starts the server, which must not run. Its data is lost.
func (s *Server) Restart() {
	s.tb.Helper()
	s.process = process.Start(s.tb, program(s.tb), nil, s.args...)
	client := redis.NewClient(&redis.Options{Addr: s.Address, Protocol: 2, DisableIdentity: true})
	defer client.Close()
	process.Await(s.tb, "the Redis server at "+s.Address, func() error {
		err := client.Ping(context.Background()).Err()
		if redis.HasErrorPrefix(err, "NOAUTH") {
			return nil
		}
		return err
	})
}

// Kill ends the server at once.
func (s *Server) Kill() {
	s.tb.Helper()
	s.Signal(os.Kill)
	s.process.Wait(s.tb)
}

// Signal sends a signal to the server.
func (s *Server) Signal(sig os.Signal) {
	s.tb.Helper()
	s.process.Signal(s.tb, sig)
}

// Client returns a client that redisstore accepts, with the default options otherwise. It is
// closed at the end of the test.
func (s *Server) Client(change ...func(*redis.Options)) *redis.Client {
	opts := &redis.Options{Addr: s.Address, ContextTimeoutEnabled: true}
	for _, f := range change {
		f(opts)
	}
	client := redis.NewClient(opts)
	s.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Do sends a command over a connection of its own, with the user default.
func (s *Server) Do(args ...any) any {
	s.tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Address, Protocol: 2})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	reply, err := client.Do(ctx, args...).Result()
	if err != nil {
		s.tb.Fatalf("%v: %v", args, err)
	}
	return reply
}
