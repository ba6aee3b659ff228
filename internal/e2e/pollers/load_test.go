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
	// clients send requests at the same time. Each waits for pause in between: at most 800 a
	// second.
	clients = 4
	pause   = 5 * time.Millisecond
	// mostRequests bounds a load that is not stopped.
	mostRequests = 20_000
)

// load is clients that request the account repeatedly, and counts the results.
type load struct {
	stop    chan struct{}
	clients sync.WaitGroup

	mu       sync.Mutex
	requests int
	lost     []string       // the problem of each request that was not answered with the account
	servers  map[string]int // how many requests each server has answered
}

// startLoad starts clients of a balancer that names the server in X-Server. Half of the clients
// keep their connections.
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

// request makes one request and returns the server that answered, or the problem.
func request(client *http.Client, url string) (server, problem string) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", err.Error()
	}
	// net/http repeats a request if the server closes an idle connection. For other clients that
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
		return answeredBy(resp.Header.Get("X-Server")), ""
	}
}

// answeredBy returns the address in X-Server: Apache sends a URL, Varnish the name of a backend,
// and nginx a list with the servers that failed first.
func answeredBy(header string) string {
	servers := strings.Split(header, ", ")
	last := strings.TrimPrefix(servers[len(servers)-1], "http://")
	if port, ok := strings.CutPrefix(last, "port_"); ok {
		return "127.0.0.1:" + port
	}
	return last
}
