package middleware_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/faults"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// made returns a token that the platform does not know.
func made(i int) credentials.Token {
	t, err := credentials.ParseToken(fmt.Sprintf("made-up-%012d", i))
	if err != nil {
		panic(err)
	}
	return t
}

func TestCallers_oneUnknownToken(t *testing.T) {
	for name, tt := range map[string]struct {
		good   bool
		status int
	}{"good": {true, 200}, "made up": {false, 401}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newCallersWorld(t)
				w.platform.SetFaults(requestertest.Delay(time.Second))
				token := made(0)
				if tt.good {
					token = w.platform.IssueToken("1")
				}
				var ok atomic.Int64
				var all sync.WaitGroup
				for range 10_000 {
					all.Go(func() {
						if w.use(token) == tt.status {
							ok.Add(1)
						}
					})
				}
				all.Wait()
				assert.EqualValues(t, 10_000, ok.Load())
				assert.Equal(t, 1, w.platform.Count())
			})
		})
	}
}

// 10,000 callers come at once after a deployment, and each repeats its request as the response
// asks. The calls stay within the budget, and all callers get in.
func TestCallers_coldStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callers := min(10_000, *floodSize/50)
		w := newCallersWorld(t)
		w.platform.SetFaults(requestertest.Delay(100 * time.Millisecond))
		var all sync.WaitGroup
		begin := time.Now()
		for i := range callers {
			token := w.platform.IssueToken(strconv.Itoa(i))
			all.Go(func() {
				var backoff time.Duration
				for {
					rec, s := w.send([]string{authorization(token)})
					if rec.Code == http.StatusOK {
						assert.Equal(t, strconv.Itoa(i), s.account)
						return
					}
					assert.Equal(t, 503, rec.Code)
					retry, err := strconv.Atoi(rec.Header().Get("Retry-After"))
					assert.NoError(t, err)
					backoff = min(2*max(backoff, time.Duration(retry)*time.Second), time.Minute)
					time.Sleep(backoff/2 + rand.N(backoff/2)) // as good clients do
				}
			})
		}
		all.Wait()
		elapsed := time.Since(begin)
		assert.Equal(t, callers, w.platform.Count(), "one call for each")
		assert.LessOrEqual(t, float64(w.platform.Count()), 40+20*elapsed.Seconds()+1, "the budget")
		assert.Less(t, elapsed, 20*time.Minute)
	})
}

// floodSize is smaller by default because of the time that a million requests take, and a cold start
// of 10,000 callers.
var floodSize = flag.Int("flood", 100_000, "number of made-up tokens in TestCallers_flood; "+
	"a fiftieth of it, up to 10,000, is the number of callers in TestCallers_coldStart")

// Made-up tokens do not change anything for callers that were verified.
func TestCallers_flood(t *testing.T) {
	// Senders wait for their answers: few enough that their own memory does not count.
	const seconds, senders = 20, 100
	total := *floodSize
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t)
		w.platform.SetFaults(requestertest.Delay(100 * time.Millisecond))
		gate := must(middleware.NewCallerGate(w.callers)).Wrap(http.HandlerFunc(
			func(http.ResponseWriter, *http.Request) {}))
		serve := func(token credentials.Token) int {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Authorization"] = []string{authorization(token)}
			rec := httptest.NewRecorder()
			gate.ServeHTTP(rec, r)
			return rec.Code
		}
		good := make([]credentials.Token, 30)
		for i := range good {
			good[i] = w.platform.IssueToken(strconv.Itoa(i))
			require.Equal(t, 200, serve(good[i]))
		}
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		calls, begin := w.platform.Count(), time.Now()

		var flood sync.WaitGroup
		for second := range seconds {
			for sender := range senders {
				flood.Go(func() {
					for i := sender; i < total/seconds; i += senders {
						if code := serve(made(second*total/seconds + i)); code != 401 && code != 503 {
							t.Errorf("a made-up token got %d", code)
						}
					}
				})
			}
			for _, token := range good {
				start := time.Now()
				assert.Equal(t, 200, serve(token))
				assert.Zero(t, time.Since(start), "a verified caller does not wait")
			}
			time.Sleep(time.Second)
		}
		flood.Wait()
		elapsed := time.Since(begin)
		known := w.platform.Count() - calls
		for _, token := range good {
			known -= w.platform.CountToken(token) - 1
		}
		assert.LessOrEqual(t, float64(known), 40+20*elapsed.Seconds()+1, "the budget")
		var after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&after)
		// The log of the fake platform is in it.
		assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(16<<20))
		assert.LessOrEqual(t, w.callers.Stats().Unproven.Entries, 10_000)
	})
}

// The end of a request's context ends its own wait, and neither the call nor the others' wait.
func TestCallers_contextOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t)
		w.platform.SetFaults(requestertest.Delay(3 * time.Second))
		token := w.platform.IssueToken("1")
		gate := must(middleware.NewCallerGate(w.callers))
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { // the first, whose request makes the call
			r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)
			r.Header.Set("Authorization", authorization(token))
			begin := time.Now()
			_, rejection := gate.Admit(r)
			assert.Equal(t, time.Second, time.Since(begin))
			assert.Equal(t, 503, rejection.Status())
			assert.ErrorIs(t, rejection.Err(), context.Canceled)
		})
		synctest.Wait()
		all.Go(func() { assert.Equal(t, 200, w.use(token)) })
		time.Sleep(time.Second)
		cancel()
		all.Wait()
		assert.Equal(t, 1, w.platform.Count())
	})
}

// 1,000 accounts at once: no request gets the account of another.
func TestCallers_accounts(t *testing.T) {
	w := newCallersWorld(t, middleware.WithUnknownBudget(1e6, 1e6), middleware.WithMaxInFlight(1000),
		middleware.WithCallerTTL(10*time.Millisecond))
	var all sync.WaitGroup
	for i := range 1000 {
		id := strconv.Itoa(i)
		token := w.platform.IssueToken(id)
		for range 2 {
			all.Go(func() {
				for range 5 {
					rec, s := w.send([]string{authorization(token)})
					assert.Equal(t, 200, rec.Code)
					assert.Equal(t, id, s.account)
				}
			})
		}
	}
	all.Wait()
}

// Transports that hang, panic or end their goroutine harm only the requests that wait for them.
func TestCallers_foreignTransport(t *testing.T) {
	token := mustToken(t, "AAAAAAAAAAAAAAAAAAAAAA.0000000000000000000000000000000000000000")
	for name, transport := range map[string]func(release <-chan struct{}){
		"hang":   func(release <-chan struct{}) { <-release },
		"panic":  func(<-chan struct{}) { panic("boom " + token.Reveal()) },
		"goexit": func(<-chan struct{}) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				client := must(requester.New(requester.Production, requester.WithHTTPClient(&http.Client{
					Transport: roundTripper(func(*http.Request) (*http.Response, error) {
						transport(release)
						return nil, nil
					}),
				})))
				c := must(middleware.NewCallers(client))
				defer c.Close()
				gate := must(middleware.NewCallerGate(c))
				for range 50 {
					r := httptest.NewRequest(http.MethodGet, "/", nil)
					r.Header.Set("Authorization", authorization(token))
					_, rejection := gate.Admit(r)
					assert.Equal(t, 503, rejection.Status())
					assert.NotContains(t, rejection.Err().Error(), token.Reveal())
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// An Allow function that hangs or panics affects its own request only.
func TestCallers_foreignAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t)
		token := w.platform.IssueToken("1")
		release := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			w.send([]string{authorization(token)}, middleware.Allow(
				func(context.Context, *requester.Account) error { <-release; return nil }))
		})
		synctest.Wait()
		assert.PanicsWithValue(t, "boom", func() {
			w.send([]string{authorization(token)}, middleware.Allow(
				func(context.Context, *requester.Account) error { panic("boom") }))
		})
		assert.Equal(t, 200, w.use(token))
		close(release)
		all.Wait()
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The token is in no error, whatever the platform repeats of it.
func TestCallers_canary(t *testing.T) {
	const canary = "CANARYCANARYCANARYCANA.0123456789abcdef0123456789abcdef01234567"
	for _, code := range []int{200, 400, 401, 403, 404, 429, 500, 503} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			w := newCallersWorld(t)
			token := mustToken(t, canary)
			w.platform.SetTokenFaults(token, faults.EchoToken(code))
			var text string
			rec, _ := w.send([]string{"ApiKey " + canary}, middleware.WithCallerRejectionHandler(
				func(w http.ResponseWriter, _ *http.Request, rejection *middleware.Rejection) {
					text = fmt.Sprintf("%v %+v %#v", rejection.Err(), rejection.Err(), rejection)
					w.WriteHeader(rejection.Status())
				}))
			for _, s := range []string{text, rec.Body.String(), fmt.Sprint(rec.Header()),
				fmt.Sprintf("%+v %#v", w.callers, w.callers), fmt.Sprintf("%+v", w.callers.Stats())} {
				assert.NotContains(t, s, canary)
				assert.NotContains(t, s, canary[:22])
			}
			plain, _ := w.send([]string{"ApiKey " + canary})
			assert.NotContains(t, plain.Body.String(), canary[:22])
		})
	}
}
