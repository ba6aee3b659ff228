//go:build !mutation

package health_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

// flapCalls is how many calls a flapping platform answers before it recovers.
const flapCalls = 4

// side is one of the two kinds of answers of a flapping platform.
type side struct {
	name  string
	means faultClass
	does  conversation
}

// A platform that alternates between two kinds of answers and then recovers. It runs a sample of
// the pairs; -faults.all runs them all.
func TestFlapping(t *testing.T) {
	t.Parallel()
	sides := []side{
		{"verified", meansVerified, answers(200, jsonType, goodAccount)},
		{"401", meansRejected, answers(401, jsonType, refused.body)},
		{"429", meansLimited, answers(429, "Retry-After: 1\n", "")},
		{"503", meansUnavailable, answers(503, "", "")},
		{"reset", meansUnavailable, cutAfter("", true)},
		{"black hole", meansUnavailable, silence},
		{"login page", meansMalformed, answers(200, "Content-Type: text/html\n", "<html>log in</html>")},
		{"redirect", meansMisdirected, answers(302, "Location: http://127.0.0.1:1/\n", "")},
		{"firewall", meansMisdirected, answers(403, "", "<html>Forbidden</html>")},
	}
	type pair struct {
		first, second side
		world         *faultWorld
		seen          []string
		recovered     bool
	}
	var pairs []*pair
	for i, first := range sides {
		for _, second := range sides[i+1:] {
			// The first two have the most to say about the others.
			if *everyFault || i < 2 {
				pairs = append(pairs, &pair{first: first, second: second})
			}
		}
	}
	var wg sync.WaitGroup
	for _, p := range pairs {
		p.world = newFaultWorld(t, fault{own: true}, health.WithMaxStale(30*time.Second),
			health.WithBreakerOpen(50*time.Millisecond), health.WithStartupTimeout(verdictStartup))
		wg.Go(func() {
			defer p.world.checker.Close()
			if err := p.world.checker.Start(context.Background()); err != nil {
				return
			}
			var calls atomic.Int64
			p.world.server.will(func(conn net.Conn, gone <-chan struct{}) {
				switch n := calls.Add(1); {
				case n > flapCalls:
					answers(200, jsonType, goodAccount)(conn, gone)
				case n%2 == 1:
					p.first.does(conn, gone)
				default:
					p.second.does(conn, gone)
				}
			})
			m := &meeting{}
			m.until("the calls", func() bool { return calls.Load() > flapCalls })
			m.until("recovery", func() bool {
				steps := p.world.steps.peek()
				return len(steps) > 0 && steps[len(steps)-1].verdict == "pass: verified" &&
					p.world.checker.Snapshot().Status() == health.StatusPass
			})
			p.recovered = m.timedOut == ""
			for _, s := range p.world.steps.take() {
				p.seen = append(p.seen, s.verdict)
			}
		})
	}
	wg.Wait()

	for _, p := range pairs {
		t.Run(p.first.name+"/"+p.second.name, func(t *testing.T) {
			require.True(t, p.recovered, "did not recover: %v", p.seen)
			assert.Equal(t, "pass: verified", p.seen[len(p.seen)-1])
			either := func(c faultClass) bool { return p.first.means == c || p.second.means == c }
			rejected := slices.Contains(p.seen, "fail: rejected")
			switch {
			case either(meansRejected) && either(meansVerified):
				assert.False(t, rejected, "each refusal was followed by a verification: %v", p.seen)
				assert.Contains(t, p.seen, "warn: confirming_rejection")
			case either(meansRejected):
				assert.True(t, rejected, "an outage does not reset the count: %v", p.seen)
			default:
				assert.False(t, rejected, "nothing was refused: %v", p.seen)
				assert.Contains(t, p.seen, "warn: stale")
			}
			for _, s := range p.seen {
				assert.True(t, !strings.HasPrefix(s, "fail") || s == "fail: rejected",
					"MaxStale was not reached: %v", p.seen)
			}
			assert.NotContains(t, strings.Join(p.world.log.take(), "\n"), tokenA)
		})
	}
}
