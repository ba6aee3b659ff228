package platform

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/foreign"
)

func TestCall(t *testing.T) {
	const refusal = `{"request_id":"r","code":"AUTHENTICATION_ERROR","message":"m"}`
	gives := func(status int, header http.Header, body string) transport {
		return func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return respond(r, status, header, body), nil
		}
	}
	for name, tt := range map[string]struct {
		transport  transport
		class      requester.Class
		answered   bool
		retryAfter time.Duration
		account    bool
	}{
		"verified":  {gives(200, nil, `{"id":"1"}`), requester.Verified, true, 0, true},
		"rejected":  {gives(401, nil, refusal), requester.Rejected, true, 0, false},
		"down":      {gives(503, nil, ""), requester.Unavailable, true, 0, false},
		"malformed": {gives(200, nil, "<html>"), requester.Malformed, true, 0, false},
		"limited": {
			gives(429, http.Header{"Retry-After": {"7"}}, ""), requester.RateLimited, true, 7 * time.Second, false,
		},
		"down with a hint": {
			gives(503, http.Header{"Retry-After": {"7"}}, ""), requester.Unavailable, true, 7 * time.Second, false,
		},
		"no route": {func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return nil, errors.New("no route")
		}, requester.Unavailable, false, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				caller, token := callerOf(t, tt.transport)
				begin := time.Now()
				a := caller.Call(context.Background(), token)
				assert.Equal(t, tt.class, a.Class)
				assert.Equal(t, tt.class, requester.ClassOf(a.Err))
				assert.Equal(t, tt.answered, a.Answered)
				assert.Equal(t, tt.retryAfter, a.RetryAfter)
				assert.Equal(t, tt.account, a.Account != nil)
				assert.Equal(t, begin, a.SentAt)
				assert.Equal(t, time.Second, a.Latency)
			})
		})
	}
}

// misbehaviours are the ways in which a RoundTripper does not return.
var misbehaviours = map[string]struct {
	transport transport
	want      string
}{
	"panic": {
		func(*http.Request) (*http.Response, error) { panic(errors.New(secret)) },
		"the HTTP client panicked with a *errors.errorString",
	},
	"goexit": {
		func(*http.Request) (*http.Response, error) {
			runtime.Goexit()
			return nil, nil
		},
		"the HTTP client ended its goroutine",
	},
	"panic of the error": {
		func(*http.Request) (*http.Response, error) { return nil, oddError{} },
		"the HTTP client panicked with a *errors.errorString",
	},
}

// oddError panics when it is asked whether it is a requester.APIError.
type oddError struct{}

func (oddError) Error() string { return "odd" }

func (oddError) As(target any) bool {
	if _, ok := target.(**requester.APIError); ok {
		panic(errors.New(secret))
	}
	return false
}

func TestCallMisbehaves(t *testing.T) {
	for name, tt := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				caller, token := callerOf(t, tt.transport)
				for range 2 * foreign.MaxAbandoned {
					a := caller.Call(context.Background(), token)
					assert.EqualError(t, a.Err, tt.want)
					assert.Equal(t, requester.Unavailable, a.Class)
					assert.False(t, a.Answered)
					assert.Zero(t, a.Latency)
				}
				assert.Zero(t, caller.calls.Abandoned())
			})
		})
	}
}

func TestCallHangs(t *testing.T) {
	// deaf ignores the request's context.
	deaf := func(release chan struct{}) transport {
		return func(r *http.Request) (*http.Response, error) {
			<-release
			return accept(r)
		}
	}
	t.Run("context ignored", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			caller, token := callerOf(t, deaf(release))
			a := caller.Call(context.Background(), token)
			assert.LessOrEqual(t, a.Latency, timeout+grace)
			assert.GreaterOrEqual(t, a.Latency, timeout)
			assert.Equal(t, requester.Unavailable, a.Class)
			assert.Nil(t, a.Account)
			close(release)
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			caller, token := callerOf(t, deaf(release))
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			a := caller.Call(ctx, token)
			assert.Equal(t, time.Second, a.Latency)
			assert.Equal(t, requester.Cancelled, a.Class)
			assert.EqualError(t, a.Err, "the call was cancelled")
			close(release)
		})
	})
	t.Run("bounded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var calls atomic.Int32
			hangs := deaf(release)
			caller, token := callerOf(t, func(r *http.Request) (*http.Response, error) {
				calls.Add(1)
				return hangs(r)
			})
			for range foreign.MaxAbandoned {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				assert.Equal(t, requester.Cancelled, caller.Call(ctx, token).Class)
				cancel()
			}
			a := caller.Call(context.Background(), token)
			assert.ErrorIs(t, a.Err, foreign.ErrAllHang)
			assert.Equal(t, requester.Unavailable, a.Class)
			assert.Zero(t, a.SentAt, "no request was made")
			assert.EqualValues(t, foreign.MaxAbandoned, calls.Load())

			close(release)
			synctest.Wait()
			assert.Zero(t, caller.calls.Abandoned())
			assert.Equal(t, requester.Verified, caller.Call(context.Background(), token).Class, "it recovers")
		})
	})
}

// The count of abandoned calls is right whatever happens first: the answer, or the end of the
// context.
func TestCallRaces(t *testing.T) {
	caller, token := callerOf(t, func(r *http.Request) (*http.Response, error) {
		runtime.Gosched()
		return accept(r)
	})
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			go cancel()
			a := caller.Call(ctx, token)
			if a.Class == requester.Verified {
				assert.NotNil(t, a.Account)
			} else {
				assert.Nil(t, a.Account)
			}
		})
	}
	all.Wait()
	require.Eventually(t, func() bool { return caller.calls.Abandoned() == 0 }, 5*time.Second, time.Millisecond)
}
