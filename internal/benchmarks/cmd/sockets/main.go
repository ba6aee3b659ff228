// Command sockets polls /healthz of net/http servers over persistent loopback connections: one
// server with the hand-written handler, one with this library's. Each is a process of its own with
// one processor. They take turns, so that other work of the machine affects both. The output is for
// benchstat.
//
//	go run ./cmd/sockets -runs 10 | go run golang.org/x/perf/cmd/benchstat -col /by -
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/tolokacheck/tolokacheck/internal/benchmarks/child"
	"github.com/tolokacheck/tolokacheck/internal/benchmarks/cputime"
)

func main() {
	name := flag.String("serve", "",
		"run the server `name` until standard input ends (used by the command itself)")
	var l load
	runs := flag.Int("runs", 10, "number of measurements of each server")
	flag.IntVar(&l.requests, "requests", 20_000, "requests per measurement")
	flag.IntVar(&l.connections, "connections", 8, "number of connections")
	flag.DurationVar(&l.limit, "limit", 10*time.Second, "limit of a measurement")
	flag.Parse()

	run := func() error { return measure(*runs, l) }
	if *name != "" {
		run = func() error { return serve(*name) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sockets:", err)
		os.Exit(1)
	}
}

// measure prints one line per run and server.
func measure(runs int, l load) error {
	type server struct {
		name string
		*child.Process
	}
	var servers []server
	for _, name := range names {
		s, err := child.Start("-serve", name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer s.Stop()
		servers = append(servers, server{name, s})
	}
	fmt.Printf("goos: %s\ngoarch: %s\n", runtime.GOOS, runtime.GOARCH)
	fmt.Println("pkg: github.com/tolokacheck/tolokacheck/internal/benchmarks/cmd/sockets")
	for range runs {
		for _, s := range servers {
			before, ok := cputime.Of(s.PID)
			r, err := l.run(s.Addr)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			fmt.Printf("BenchmarkSockets/connections=%d/by=%s %d %.1f ns/op %d p50-ns %d p99-ns "+
				"%.0f req/s",
				l.connections, s.name, r.requests, r.perRequest(),
				r.quantile(0.50).Nanoseconds(), r.quantile(0.99).Nanoseconds(), r.perSecond())
			if after, _ := cputime.Of(s.PID); ok {
				fmt.Printf(" %.1f cpu-ns/op",
					float64((after-before).Nanoseconds())/float64(r.requests))
			}
			fmt.Println()
		}
		slices.Reverse(servers) // so that neither has an advantage by its order
	}
	return nil
}
