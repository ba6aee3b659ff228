package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// load polls a server: on each connection it sends a request, waits for the response and sends the
// next request. It is bounded in requests and in time.
type load struct {
	requests    int
	connections int
	limit       time.Duration
}

// result has the measurements of a load.
type result struct {
	requests  int
	elapsed   time.Duration
	latencies []time.Duration // sorted
}

func (r *result) perRequest() float64 {
	return float64(r.elapsed.Nanoseconds()) / float64(r.requests)
}

func (r *result) perSecond() float64 { return float64(r.requests) / r.elapsed.Seconds() }

// quantile returns the q-quantile of the latencies.
func (r *result) quantile(q float64) time.Duration {
	return r.latencies[min(int(q*float64(len(r.latencies))), len(r.latencies)-1)]
}

// run polls the server at addr.
func (l load) run(addr string) (*result, error) {
	deadline := time.Now().Add(l.limit)
	polls := make([]*poller, l.connections)
	for i := range polls {
		p, err := dial(addr, deadline)
		if err != nil {
			return nil, err
		}
		defer p.conn.Close()
		// The first response is not measured: it warms the connection up and has the length of a
		// response.
		if err := p.learn(); err != nil {
			return nil, err
		}
		p.latencies = make([]time.Duration, 0, (l.requests+l.connections-1)/l.connections)
		polls[i] = p
	}

	var wg sync.WaitGroup
	errs := make([]error, len(polls))
	begin := time.Now()
	for i, p := range polls {
		wg.Go(func() { errs[i] = p.pollUntilFull() })
	}
	wg.Wait()
	r := &result{elapsed: time.Since(begin)}
	for _, p := range polls {
		r.latencies = append(r.latencies, p.latencies...)
	}
	r.requests = len(r.latencies)
	slices.Sort(r.latencies)
	return r, errors.Join(errs...)
}

// poller is one connection. It parses as little HTTP as possible, so that the server is measured.
type poller struct {
	conn      net.Conn
	answer    []byte // the first response: all have its length, because only the Date differs
	buffer    []byte
	latencies []time.Duration
}

var (
	request   = []byte("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	good      = []byte("HTTP/1.1 200 OK\r\n")
	endOfHead = []byte("\r\n\r\n")
	body      = []byte(`{"status":"pass"}`)
)

func dial(addr string, deadline time.Time) (*poller, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Until(deadline))
	if err != nil {
		return nil, err
	}
	return &poller{conn: conn}, conn.SetDeadline(deadline)
}

func (p *poller) learn() error {
	if _, err := p.conn.Write(request); err != nil {
		return err
	}
	var buffer [4096]byte
	n := 0
	for !bytes.HasSuffix(buffer[:n], slices.Concat(endOfHead, body)) {
		if n == len(buffer) {
			return fmt.Errorf("unexpected answer: %q", buffer[:n])
		}
		read, err := p.conn.Read(buffer[n:])
		if err != nil {
			return fmt.Errorf("unexpected answer: %q: %w", buffer[:n], err)
		}
		n += read
	}
	p.answer = bytes.Clone(buffer[:n])
	p.buffer = make([]byte, n)
	return p.check(p.answer)
}

func (p *poller) check(answer []byte) error {
	if !bytes.HasPrefix(answer, good) || !bytes.HasSuffix(answer, body) {
		return fmt.Errorf("unexpected answer: %q", answer)
	}
	return nil
}

func (p *poller) pollUntilFull() error {
	for len(p.latencies) < cap(p.latencies) {
		begin := time.Now()
		if _, err := p.conn.Write(request); err != nil {
			return err
		}
		if _, err := io.ReadFull(p.conn, p.buffer); err != nil {
			return err
		}
		p.latencies = append(p.latencies, time.Since(begin))
		if err := p.check(p.buffer); err != nil {
			return err
		}
	}
	return nil
}
