package pollers_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// clients is how many make requests at the same time, and pause how long each of them waits between two: 800 a second at most.
	clients = 4
	pause   = 5 * time.Millisecond
	// mostRequests bounds a load that nobody stops.
	mostRequests = 20_000
)

// load is clients that ask for the account, over and over, and count.
type load struct {
	stop    chan struct{}
	clients sync.WaitGroup

	mu       sync.Mutex
	requests int
	lost     []string       // what was wrong with each request that was not answered as it should be
	servers  map[string]int // how many requests each server has answered
}

// startLoad starts clients of url, which has to be answered by a balancer that names the server in X-Server. Half of the
// clients keep their connections.
func startLoad(t *testing.T, url string) *load {
	t.Helper()
	l := &load{stop: make(chan struct{}), servers: map[string]int{}}
	for i := range clients {
		l.clients.Go(func() { l.run(url, i%2 == 0) })
	}
	t.Cleanup(func() { l.end() })
	return l
}

// end stops the clients and waits for them.
func (l *load) end() {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mu.Unlock()
	l.clients.Wait()
}

func (l *load) run(url string, keepAlive bool) {
	transport := &http.Transport{DisableKeepAlives: !keepAlive}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range mostRequests / clients {
		server, problem := request(client, url)
		l.count(server, problem)
		select {
		case <-tick.C:
		case <-l.stop:
			return
		}
	}
}

func (l *load) count(server, problem string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if problem != "" {
		l.lost = append(l.lost, problem)
		return
	}
	l.servers[server]++
}

// request makes one request and returns who answered, or what went wrong.
func request(client *http.Client, url string) (server, problem string) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", err.Error()
	}
	// net/http sends a request again by itself when a kept connection is closed under it. To a client without such manners the
	// request would be lost.
	tries := 0
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { tries++ },
	}))
	resp, err := client.Do(req)
	if err != nil {
		return "", err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	text := strings.TrimSpace(string(body))
	switch {
	case err != nil:
		return "", err.Error()
	case resp.StatusCode != http.StatusOK || text != account:
		return "", fmt.Sprintf("%d %.60q", resp.StatusCode, text)
	case tries != 1:
		return "", fmt.Sprintf("answered after %d tries", tries)
	default:
		servers := strings.Split(resp.Header.Get("X-Server"), ", ") // nginx names those that it has tried before, too
		return servers[len(servers)-1], ""
	}
}
