// Command footprint prints a Markdown table of the memory and goroutines of a checker, the bytes
// that the library adds to a binary, and the time from Start until the token is verified. The
// platform is a fake in a process of its own, over loopback TCP.
//
//	go run ./cmd/footprint
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/benchmarks/child"
)

// token is accepted by the fake platform.
const token = "AAAAAAAAAAAAAAAAAAAAAA.fake.000000000000000000000000000000000000000"

func main() {
	asPlatform := flag.Bool("platform", false,
		"run the platform until standard input ends (used by the command itself)")
	checkers := flag.Int("checkers", 1000, "number of checkers whose memory is measured")
	starts := flag.Int("starts", 500, "number of starts that are timed")
	flag.Parse()

	run := func() error { return measure(*checkers, *starts) }
	if *asPlatform {
		run = platform
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "footprint:", err)
		os.Exit(1)
	}
}

// platform serves until its parent stops it.
func platform() error {
	t, err := credentials.ParseToken(token)
	if err != nil {
		return err
	}
	server := requestertest.NewServer()
	defer server.Close()
	server.AcceptToken("", t)
	child.Announce(server.URL)
	return nil
}

func measure(checkers, starts int) error {
	server, err := child.Start("-platform")
	if err != nil {
		return err
	}
	defer server.Stop()
	m, err := memory(server.Addr, checkers)
	if err != nil {
		return err
	}
	s, err := start(server.Addr, starts)
	if err != nil {
		return err
	}
	without, with, err := sizes()
	if err != nil {
		return err
	}
	fmt.Printf("| what | measured |\n| --- | ---: |\n")
	fmt.Printf("| a checker before Start | %s |\n", m.made)
	fmt.Printf("| a checker between two checks | %s |\n", m.resting)
	fmt.Printf("| a net/http program, stripped | %.2f MiB |\n", mebibytes(without))
	fmt.Printf("| the same with the library | %.2f MiB (+%.2f MiB) |\n",
		mebibytes(with), mebibytes(with-without))
	fmt.Printf("| a hand-written GET /requester on a new connection, median of %d | %s |\n",
		starts, s.roundTrip)
	fmt.Printf("| New and Start until verified | %s (+%s) |\n", s.verified, s.over)
	return nil
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// newChecker returns a checker with a client of its own, as in a service.
func newChecker(url string) (*health.Checker, error) {
	client, err := requester.New(requester.Production, requester.WithBaseURL(url))
	if err != nil {
		return nil, err
	}
	return health.New(credentials.Static(token), health.WithClient(client),
		health.WithInterval(time.Hour), health.WithMaxStale(3*time.Hour))
}
