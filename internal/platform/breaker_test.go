package platform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

const open = 30 * time.Second

func newTestBreaker() *Breaker { return NewBreaker(Settings{Failures: 3, Open: open}) }

func answers(err error) func() Answer { return func() Answer { return failed(err) } }

var (
	verified    = answers(nil)
	refused     = answers(&requester.APIError{StatusCode: 401})
	limited     = answers(&requester.APIError{StatusCode: 429})
	unavailable = answers(errors.New("no route"))
	cancelled   = answers(errCancelled)
)

func TestBreakerStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBreaker()
		assert.Equal(t, "closed", b.State())
		for range 2 {
			b.Do(unavailable)
		}
		assert.False(t, b.Open())
		b.Do(unavailable)
		assert.True(t, b.Open())
		assert.Equal(t, "open", b.State())

		a := b.Do(func() Answer { panic("not called") })
		assert.Equal(t, ErrOpen, a.Err)
		assert.Equal(t, requester.NotAsked, a.Class)
		assert.Zero(t, a.SentAt)

		time.Sleep(open + OpenMargin)
		assert.Equal(t, "open", b.State(), "until the next call")
		b.Do(unavailable)
		assert.Equal(t, "open", b.State(), "one probe")
		assert.Equal(t, ErrOpen, b.Do(verified).Err)

		time.Sleep(open + OpenMargin)
		assert.NoError(t, b.Do(verified).Err)
		assert.Equal(t, "closed", b.State())
	})
}

func TestBreakerCounts(t *testing.T) {
	for name, tt := range map[string]struct {
		between func() Answer // two failures before, one after
		open    bool
	}{
		"verified":    {verified, false},
		"refused":     {refused, false},
		"limited":     {limited, true},
		"cancelled":   {cancelled, true},
		"unavailable": {unavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestBreaker()
			for _, call := range []func() Answer{unavailable, unavailable, tt.between, unavailable} {
				b.Do(call)
			}
			assert.Equal(t, tt.open, b.Open())
		})
	}
	t.Run("failures far apart", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newTestBreaker()
			for range 3 {
				b.Do(unavailable)
				time.Sleep(24 * time.Hour)
			}
			assert.True(t, b.Open())
		})
	})
}

func TestBreakerHold(t *testing.T) {
	var hold atomic.Bool
	hold.Store(true)
	b := NewBreaker(Settings{Failures: 3, Open: open, Hold: hold.Load})
	for range 100 {
		b.Do(unavailable)
	}
	assert.Equal(t, "closed", b.State())
	hold.Store(false)
	b.Do(unavailable)
	assert.Equal(t, "open", b.State())
}

// halfOpen returns a breaker whose next call is the probe.
func halfOpen() *Breaker {
	b := newTestBreaker()
	for range 3 {
		b.Do(unavailable)
	}
	time.Sleep(open + OpenMargin)
	return b
}

func TestBreakerProbe(t *testing.T) {
	t.Run("busy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := halfOpen()
			release := make(chan struct{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				b.Do(func() Answer {
					<-release
					return verified()
				})
			}()
			synctest.Wait()
			assert.Equal(t, "half-open", b.State())
			assert.False(t, b.Open())
			a := b.Do(verified)
			assert.Equal(t, ErrBusy, a.Err)
			assert.Equal(t, requester.NotAsked, a.Class)
			close(release)
			<-done
			assert.NoError(t, b.Do(verified).Err)
		})
	})
	t.Run("limited", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := halfOpen()
			b.Do(limited)
			assert.NoError(t, b.Do(verified).Err, "the probe is free again")
			assert.Equal(t, "closed", b.State())
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := halfOpen()
			b.Do(cancelled)
			assert.NoError(t, b.Do(verified).Err, "the probe is free again")
		})
	})
	// A RoundTripper that ends its goroutine must not keep the half-open breaker busy.
	for name, tt := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := halfOpen()
				var bad atomic.Bool
				bad.Store(true)
				caller, token := callerOf(t, func(r *http.Request) (*http.Response, error) {
					if bad.Load() {
						return tt.transport(r)
					}
					return accept(r)
				})
				call := func() Answer { return caller.Call(context.Background(), token) }
				assert.Equal(t, requester.Unavailable, b.Do(call).Class)
				assert.Equal(t, "open", b.State())
				bad.Store(false)
				time.Sleep(open + OpenMargin)
				require.NoError(t, b.Do(call).Err)
				assert.Equal(t, "closed", b.State())
			})
		})
	}
}

func TestBreakerRaces(t *testing.T) {
	b := NewBreaker(Settings{Failures: 2, Open: time.Microsecond})
	calls := []func() Answer{verified, refused, limited, unavailable, unavailable, cancelled}
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			for j := range 20 {
				b.Do(calls[(i+j)%len(calls)])
				_ = b.State()
				_ = b.Open()
				runtime.Gosched()
			}
		})
	}
	all.Wait()
	time.Sleep(time.Millisecond)
	require.Eventually(t, func() bool { return b.Do(verified).Err == nil }, 5*time.Second, time.Millisecond)
	assert.Equal(t, "closed", b.State())
}

func TestConclusive(t *testing.T) {
	for class, want := range map[requester.Class]bool{
		requester.Verified: true, requester.Rejected: true, requester.RateLimited: false,
		requester.Unavailable: false, requester.Malformed: false, requester.Misdirected: false,
		requester.Cancelled: false, requester.NotAsked: false,
	} {
		assert.Equal(t, want, Conclusive(class), class)
	}
}

// A RoundTripper may have a circuit breaker of its own: its errors are failures of the call, not
// calls that this breaker forbids.
func TestBreakerOfTheRoundTripper(t *testing.T) {
	for _, err := range []error{gobreaker.ErrOpenState, gobreaker.ErrTooManyRequests} {
		a := newTestBreaker().Do(answers(fmt.Errorf("own breaker: %w", err)))
		assert.ErrorIs(t, a.Err, err)
		assert.Equal(t, requester.Unavailable, a.Class)
	}
}

// The breaker does not look into the error of an answer, which is foreign code.
func TestBreakerLeavesErrorsAlone(t *testing.T) {
	b := newTestBreaker()
	for range 3 {
		a := b.Do(func() Answer { return Answer{Class: requester.Unavailable, Err: noLooking{}} })
		assert.Equal(t, requester.Unavailable, a.Class)
	}
	assert.Equal(t, "open", b.State())
}

type noLooking struct{}

func (noLooking) Error() string { return "odd" }
func (noLooking) Is(error) bool { panic("looked into") }
func (noLooking) As(any) bool   { panic("looked into") }
