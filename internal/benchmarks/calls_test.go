package benchmarks_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/faults"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// TestRefreshCalls counts the requests at the platform, over real TCP and in real time.
func TestRefreshCalls(t *testing.T) {
	const callers = 10_000
	platform := requestertest.NewServer()
	t.Cleanup(platform.Close)
	checker := started(t, platform.Platform, requester.WithBaseURL(platform.URL))

	t.Run("waiting_together", func(t *testing.T) {
		before := platform.Count()
		release := platform.Hold()
		defer release()
		var joined, left sync.WaitGroup
		var failed atomic.Int64
		joined.Add(callers)
		for range callers {
			left.Go(func() {
				if checker.Refresh(&joining{Context: t.Context(), joined: joined.Done}) != nil {
					failed.Add(1)
				}
			})
		}
		joined.Wait()
		require.NoError(t, platform.WaitCount(t.Context(), before+1))
		release()
		left.Wait()
		assert.Zero(t, failed.Load())
		assert.Equal(t, 1, platform.Count()-before)
	})
	t.Run("later", func(t *testing.T) {
		before := platform.Count()
		require.NoError(t, checker.Refresh(t.Context()))
		assert.Equal(t, 1, platform.Count()-before)
	})
}

// joining is a context that reports when Refresh begins to wait: Refresh joins a call before it
// looks at its context.
type joining struct {
	context.Context
	once   sync.Once
	joined func()
}

func (c *joining) Done() <-chan struct{} {
	c.once.Do(c.joined)
	return c.Context.Done()
}

// TestPollCalls counts the requests at the platform while a service is polled: one per interval.
func TestPollCalls(t *testing.T) {
	t.Run("an_hour_of_fake_time", func(t *testing.T) {
		for _, pollers := range []int{0, 100} {
			synctest.Test(t, func(t *testing.T) {
				platform := requestertest.NewPlatform()
				checker := started(t, platform, requester.WithHTTPClient(platform.Client()))
				var arrivals faults.Times
				platform.SetFaults(arrivals.Fault())
				end := time.Now().Add(time.Hour)
				var all sync.WaitGroup
				for range pollers {
					all.Go(func() {
						for time.Now().Before(end) {
							readEverything(t, checker)
							time.Sleep(time.Second)
						}
					})
				}
				time.Sleep(time.Until(end))
				all.Wait()

				calls := arrivals.All()
				// The interval is a minute ±10 %.
				assert.GreaterOrEqual(t, len(calls), 55)
				assert.LessOrEqual(t, len(calls), 67)
				for i := 1; i < len(calls); i++ {
					gap := calls[i].Sub(calls[i-1])
					assert.GreaterOrEqual(t, gap, 54*time.Second)
					assert.LessOrEqual(t, gap, 66*time.Second)
				}
			})
		}
	})
	t.Run("real_time", func(t *testing.T) {
		const (
			interval = 100 * time.Millisecond
			polls    = 20_000
			pollers  = 8
		)
		platform := requestertest.NewServer()
		t.Cleanup(platform.Close)
		begin := time.Now()
		checker := startedWith(t, platform.Platform,
			[]requester.Option{requester.WithBaseURL(platform.URL), requester.WithTimeout(interval)},
			health.WithInterval(interval))
		mux := http.NewServeMux()
		nethttp.RegisterHealth(mux, checker)
		tasks := func(http.ResponseWriter, *http.Request) { readEverything(t, checker) }
		mux.Handle("/tasks", nethttp.Gate(checker)(http.HandlerFunc(tasks)))
		service := httptest.NewServer(mux)
		t.Cleanup(service.Close)
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: pollers}}
		t.Cleanup(client.CloseIdleConnections)

		var all sync.WaitGroup
		for i := range pollers {
			path := []string{"/healthz", "/readyz", "/tasks"}[i%3]
			all.Go(func() {
				for range polls / pollers {
					resp, err := client.Get(service.URL + path)
					if !assert.NoError(t, err) {
						return
					}
					_ = resp.Body.Close()
					assert.Equal(t, http.StatusOK, resp.StatusCode)
				}
			})
		}
		all.Wait()
		require.NoError(t, checker.Close())

		calls, elapsed := platform.Count(), time.Since(begin)
		// Two calls are at least 90 % of the interval apart.
		assert.LessOrEqual(t, calls, 1+int(elapsed/(interval*9/10)))
		assert.GreaterOrEqual(t, calls, 2, "the checker makes calls while it is polled")
		t.Logf("%d polls and %d calls in %s", polls, calls, elapsed.Round(time.Millisecond))
	})
}

// readEverything reads what a service reads per request.
func readEverything(t *testing.T, c *health.Checker) {
	_, tokenErr := c.Snapshot().Token()
	_, accountErr := c.Snapshot().Account()
	for _, err := range []error{c.Check(t.Context()), tokenErr, accountErr} {
		if err != nil {
			t.Error(err)
		}
	}
}

func started(t *testing.T, platform *requestertest.Platform, opts ...requester.Option) *health.Checker {
	return startedWith(t, platform, opts)
}

// startedWith returns a checker that is verified. It is closed when the test ends.
func startedWith(
	t *testing.T, platform *requestertest.Platform, client []requester.Option, opts ...health.Option,
) *health.Checker {
	t.Helper()
	c, err := requester.New(requester.Sandbox, client...)
	require.NoError(t, err)
	provider := credentials.Static(platform.IssueToken("").Reveal())
	checker, err := health.New(provider, append(opts, health.WithClient(c))...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = checker.Close() })
	require.NoError(t, checker.Start(t.Context()))
	return checker
}
