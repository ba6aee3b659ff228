package requester_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
)

// connectRecorder is a proxy that records requests and refuses them.
type connectRecorder struct {
	server *httptest.Server
	mu     sync.Mutex
	status int // what it answers
	dumps  []string
}

func newConnectRecorder() *connectRecorder {
	p := &connectRecorder{status: http.StatusBadGateway}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, _ := httputil.DumpRequest(r, true)
		p.mu.Lock()
		p.dumps = append(p.dumps, string(dump))
		status := p.status
		p.mu.Unlock()
		w.WriteHeader(status)
	}))
	return p
}

// answers sets the status of the answers.
func (p *connectRecorder) answers(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

// taken returns the requests since the last call.
func (p *connectRecorder) taken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	dumps := p.dumps
	p.dumps = nil
	return dumps
}
