//go:build unix

package nethttp_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// rotation is a service under load whose token is replaced repeatedly, as Kubernetes does it: a new
// directory, and a new symlink renamed over ..data.
type rotation struct {
	t        *testing.T
	dir      string
	swaps    int // so far
	platform *platform
	checker  *health.Checker
	gated    http.Handler
	outgoing *http.Client

	served, failed atomic.Int64
}

func newRotation(
	t *testing.T, base http.RoundTripper, p *platform,
	clientOpts []requester.Option, opts ...health.Option,
) *rotation {
	t.Helper()
	r := &rotation{t: t, dir: t.TempDir(), platform: p}
	r.swap()
	clientOpts = append(clientOpts, requester.WithHTTPClient(&http.Client{Transport: base}))
	client, err := requester.New(requester.Production, clientOpts...)
	require.NoError(t, err)
	opts = append(opts, health.WithClient(client))
	r.checker, err = health.New(credentials.File(filepath.Join(r.dir, "token")), opts...)
	require.NoError(t, err)
	t.Cleanup(func() { r.checker.Close() })
	require.NoError(t, r.checker.Start(t.Context()))
	r.gated = nethttp.Gate(r.checker)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r.outgoing = &http.Client{Transport: nethttp.Transport(r.checker, base)}
	return r
}

func (r *rotation) token() string { return fmt.Sprintf("AAAAAAAAAAAAAAAAAAAAAA.swap.%040d", r.swaps) }

// swap issues a new token on the platform and replaces the old one in the file.
func (r *rotation) swap() {
	old := ""
	if r.swaps > 0 {
		old = r.token()
	}
	r.swaps++
	r.platform.accepts(old, r.token())
	data := fmt.Sprintf("..%d", r.swaps)
	require.NoError(r.t, os.Mkdir(filepath.Join(r.dir, data), 0o700))
	require.NoError(r.t, os.WriteFile(filepath.Join(r.dir, data, "token"), []byte(r.token()+"\n"), 0o600))
	require.NoError(r.t, os.Symlink(data, filepath.Join(r.dir, "..data_tmp")))
	require.NoError(r.t, os.Rename(filepath.Join(r.dir, "..data_tmp"), filepath.Join(r.dir, "..data")))
	if r.swaps == 1 {
		require.NoError(r.t, os.Symlink(filepath.Join("..data", "token"), filepath.Join(r.dir, "token")))
		return
	}
	require.NoError(r.t, os.RemoveAll(filepath.Join(r.dir, fmt.Sprintf("..%d", r.swaps-1))))
}

// deleteOld makes the platform reject every token but the newest.
func (r *rotation) deleteOld() { r.platform.accepts(r.token()) }

// load starts clients that send requests to the gate and to the platform until ctx ends.
func (r *rotation) load(ctx context.Context, clients int, pause time.Duration, url string) *sync.WaitGroup {
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			ticker := time.NewTicker(pause)
			defer ticker.Stop()
			time.Sleep(pause * time.Duration(i) / time.Duration(clients)) // spread them
			for n := 0; ctx.Err() == nil; n++ {
				r.gate()
				if n%2 == 0 {
					r.call(http.MethodGet, url, nil)
				} else {
					r.call(http.MethodPost, url, strings.NewReader("body"))
				}
				select {
				case <-ticker.C:
				case <-ctx.Done():
				}
			}
		})
	}
	return &all
}

func (r *rotation) gate() {
	w := httptest.NewRecorder()
	r.gated.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	r.count(w.Code == http.StatusOK, "the gate answered %d (%s)", w.Code, r.checker.Snapshot().State().Reasons)
}

func (r *rotation) call(method, url string, body io.Reader) {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		r.count(false, "%v", err)
		return
	}
	resp, err := r.outgoing.Do(req)
	if err != nil {
		r.count(false, "%v", err)
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	r.count(resp.StatusCode == http.StatusOK, "the platform answered %d", resp.StatusCode)
}

func (r *rotation) count(ok bool, format string, args ...any) {
	r.served.Add(1)
	if !ok && r.failed.Add(1) <= 10 {
		r.t.Errorf(format, args...)
	}
}

// rotations is a sample by default, because a thousand take 13 s; CI runs with -rotations=1000.
var rotations = flag.Int("rotations", 100, "number of rotations in TestRotation_fakeTime")

func TestRotation_fakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{}
		r := newRotation(t, p, p, nil)
		ctx, cancel := context.WithCancel(t.Context())
		clients := r.load(ctx, 100, 6*time.Second, pools)
		for range *rotations {
			r.swap()
			time.Sleep(10 * time.Second)
			r.deleteOld()
			time.Sleep(3 * time.Second)
		}
		cancel()
		clients.Wait()
		assert.Zero(t, r.failed.Load())
		assert.Equal(t, health.StatusPass, r.checker.Snapshot().Status())
		token, err := r.checker.Snapshot().Token()
		require.NoError(t, err)
		assert.Equal(t, r.token(), token.Reveal())
		t.Logf("%d swaps, %d requests, %d failed", *rotations, r.served.Load(), r.failed.Load())
	})
}

// overlap is how long the platform accepts both tokens after the new one is in use. A request that
// is in flight with the old one when that is deleted is retried only once, so rotations need some
// time between them.
const overlap = 100 * time.Millisecond

// realRotation runs in real time over real sockets, a hundred times faster.
func realRotation(t *testing.T, poll time.Duration) (*rotation, string) {
	p := &platform{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		resp, err := p.RoundTrip(req)
		if err != nil {
			return
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(server.Close)
	base := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(base.CloseIdleConnections)
	clientOpts := []requester.Option{requester.WithBaseURL(server.URL)}
	r := newRotation(t, base, p, clientOpts, health.WithPollInterval(poll))
	return r, server.URL + "/api/v1/pools"
}

func TestRotation_polled(t *testing.T) {
	t.Parallel()
	const swaps = 5 // more on fake time, see TestRotation_fakeTime
	r, url := realRotation(t, 20*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	clients := r.load(ctx, 20, 10*time.Millisecond, url)
	for range swaps {
		r.swap()
		r.awaitToken()
		<-time.After(overlap)
		r.deleteOld()
	}
	cancel()
	clients.Wait()
	assert.Zero(t, r.failed.Load())
	t.Logf("%d swaps, %d requests, %d failed", swaps, r.served.Load(), r.failed.Load())
}

func TestRotation_SIGHUP(t *testing.T) {
	t.Parallel()
	r, url := realRotation(t, time.Hour) // only the signal makes it read the file
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ctx, cancel := context.WithCancel(t.Context())
	var handler sync.WaitGroup
	handler.Go(func() {
		for {
			select {
			case <-hangup:
				assert.NoError(t, r.checker.Refresh(t.Context()))
			case <-ctx.Done():
				return
			}
		}
	})
	clients := r.load(ctx, 20, 10*time.Millisecond, url)
	for range 20 {
		r.swap()
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
		r.awaitToken()
		<-time.After(overlap)
		r.deleteOld()
	}
	cancel()
	clients.Wait()
	handler.Wait()
	assert.Zero(t, r.failed.Load())
}

// awaitToken waits until the newest token is in use.
func (r *rotation) awaitToken() {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		token, err := r.checker.Snapshot().Token()
		return err == nil && token.Reveal() == r.token()
	}, 10*time.Second, time.Millisecond)
}
