package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// loadPause is how long each client waits between two requests, so that other work is not starved.
const loadPause = time.Millisecond

// load is a number of clients that send requests and expect status 200.
type load struct {
	client *http.Client
	stop   context.CancelFunc
	done   sync.WaitGroup

	requests atomic.Int64
	failed   atomic.Int64
	first    atomic.Pointer[string] // text of the first failure
}

// startLoad starts clients for each of the URLs. They run until end is called.
func startLoad(clients int, urls ...string) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{client: newClient(), stop: stop}
	for _, url := range urls {
		for range clients {
			l.done.Go(func() {
				for ctx.Err() == nil {
					l.ask(url)
					wait(ctx, loadPause)
				}
			})
		}
	}
	return l
}

// end stops the clients and waits for the requests in flight. It may be called more than once.
func (l *load) end() {
	l.stop()
	l.done.Wait()
	l.client.CloseIdleConnections()
}

// check returns an error if there was no request or if one failed.
func (l *load) check() error {
	switch {
	case l.requests.Load() == 0:
		return errors.New("there were no requests")
	case l.failed.Load() > 0:
		return fmt.Errorf("%d of %d requests failed, the first: %s",
			l.failed.Load(), l.requests.Load(), *l.first.Load())
	}
	return nil
}

func (l *load) ask(url string) {
	l.requests.Add(1)
	resp, err := l.client.Get(url)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	if err != nil {
		text := err.Error()
		l.first.CompareAndSwap(nil, &text)
		l.failed.Add(1)
	}
}

// newClient returns a client that keeps enough connections for the load, and uses no proxy.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second,
	}
}

// wait blocks for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
