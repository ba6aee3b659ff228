package health_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
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
)

const goroutines = 10_000

// use calls one method of a checker, in whatever state it is. It checks the kind of an error.
func use(t *testing.T, c *health.Checker, random *rand.Rand) {
	patience := time.Duration(random.IntN(20)) * time.Millisecond
	switch random.IntN(8) {
	case 0, 1, 2:
		snap := c.Snapshot()
		token, tokenErr := snap.Token()
		account, accountErr := snap.Account()
		open := snap.Open()
		assert.Equal(t, open, tokenErr == nil && accountErr == nil, "one snapshot has one verdict")
		assert.Equal(t, open, !token.IsZero() && account != nil)
	case 3:
		_, err := c.Snapshot().Token()
		assertVerdict(t, err)
		_, err = c.Snapshot().Account()
		assertVerdict(t, err)
		assertVerdict(t, c.Check(t.Context()))
	case 4:
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := c.Refresh(ctx)
		left := errors.Is(err, context.Canceled)
		assert.True(t, err == nil || left || isOfRefresh(err), "%v", err)
	case 5:
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err := c.Refresh(ctx)
		left := errors.Is(err, context.DeadlineExceeded)
		assert.True(t, err == nil || left || isOfRefresh(err), "%v", err)
	case 6:
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = c.WaitVerified(ctx)
	case 7:
		req, err := http.NewRequest(http.MethodGet, "https://toloka.dev/api/v1/pools", nil)
		assert.NoError(t, err)
		loan, err := c.Lend(req)
		assertVerdict(t, err)
		if loan != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			_ = loan.Refused(ctx)
		}
	}
}

// isOfRefresh reports whether err is of a kind that Refresh promises.
func isOfRefresh(err error) bool {
	var (
		verdict  *health.Error
		notAsked *health.NotAskedError
		answer   *requester.APIError
		silence  *requester.TransportError
	)
	return errors.As(err, &verdict) || errors.As(err, &notAsked) || errors.As(err, &answer) ||
		errors.As(err, &silence) || errors.Is(err, health.ErrClosed) || errors.Is(err, health.ErrNotStarted)
}

func assertVerdict(t *testing.T, err error) {
	var verdict *health.Error
	if err != nil {
		assert.ErrorAs(t, err, &verdict)
	}
}

// crowd uses the checkers in ten thousand goroutines, while others drain and close them and the
// platform fails and recovers.
func crowd(t *testing.T, checkers []*health.Checker, p *requestertest.Platform) {
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			c := checkers[i%len(checkers)]
			switch i {
			case goroutines / 4:
				p.SetFaults(requestertest.Status(503))
			case goroutines / 3:
				p.SetFaults(requestertest.Reset())
			case goroutines / 2:
				p.ClearFaults()
			case goroutines * 5 / 8:
				c.Drain()
			case goroutines * 7 / 8:
				assert.NoError(t, c.Close())
			default:
				for range 3 {
					use(t, c, random)
				}
			}
		})
	}
	all.Wait()
}

// crowded returns checkers whose callbacks call their methods.
func crowded(
	t *testing.T, p *requestertest.Platform, timeout time.Duration, opts ...health.Option,
) []*health.Checker {
	t.Helper()
	checkers := make([]*health.Checker, 3)
	for i := range checkers {
		client, err := requester.New(requester.Production,
			requester.WithHTTPClient(p.Client()), requester.WithTimeout(timeout))
		require.NoError(t, err)
		token := p.IssueToken("").Reveal()
		var self atomic.Pointer[health.Checker]
		checkers[i], err = health.New(credentials.Static(token), append([]health.Option{
			health.WithClient(client), health.WithName(fmt.Sprint("checker-", i)),
			health.OnChange(func(old, snap *health.Snapshot) {
				c := self.Load()
				if c == nil {
					return
				}
				_ = c.Snapshot()
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				defer cancel()
				_ = c.Refresh(ctx)
				if snap.Reason() == health.ReasonClosed {
					assert.NoError(t, c.Close())
				}
			}),
		}, opts...)...)
		require.NoError(t, err)
		self.Store(checkers[i])
		require.NoError(t, checkers[i].Start(t.Context()))
	}
	return checkers
}

func TestConcurrentUse(t *testing.T) {
	t.Run("fake time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := requestertest.NewPlatform()
			checkers := crowded(t, p, 5*time.Second)
			crowd(t, checkers, p)
			closeAll(t, checkers)
		})
	})
	t.Run("real time", func(t *testing.T) {
		p := requestertest.NewPlatform()
		checkers := crowded(t, p, 100*time.Millisecond,
			health.WithInterval(100*time.Millisecond), health.WithMaxStale(6*time.Second),
			health.WithRejectionRecheck(10*time.Millisecond), health.WithBreakerOpen(10*time.Millisecond))
		crowd(t, checkers, p)
		closeAll(t, checkers)
	})
}

func closeAll(t *testing.T, checkers []*health.Checker) {
	var all sync.WaitGroup
	for _, c := range checkers {
		for range 10 {
			all.Go(func() { assert.NoError(t, c.Close()) })
		}
	}
	all.Wait()
	for _, c := range checkers {
		assert.Equal(t, health.ReasonClosed, c.Snapshot().Reason())
		assert.ErrorIs(t, c.Refresh(t.Context()), health.ErrClosed)
	}
}

func TestThousandCheckers(t *testing.T) {
	p := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()))
	require.NoError(t, err)
	token := p.IssueToken("").Reveal()
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			c, err := health.New(credentials.Static(token), health.WithClient(client))
			if !assert.NoError(t, err) {
				return
			}
			started := make(chan error, 1)
			go func() { started <- c.Start(context.Background()) }()
			go func() { _ = c.WaitVerified(context.Background()) }()
			if rand.IntN(2) == 0 {
				assert.NoError(t, <-started)
			}
			assert.NoError(t, c.Close())
		})
	}
	all.Wait()
}

// For the race detector: the last call of Start begins when its time is up.
func TestStartEndsAsACallBegins(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			var all sync.WaitGroup
			for range 12 {
				w := newWorld(t, always(down), health.WithJitter(0),
					health.WithStartupTimeout(2*time.Second))
				all.Go(func() { assert.NoError(t, w.checker.Start(t.Context())) })
			}
			all.Wait()
		})
	}
}
