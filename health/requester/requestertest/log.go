package requestertest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Request is one request as it arrived, whatever it was answered.
type Request struct {
	// Time is when it arrived: fake time inside a testing/synctest bubble.
	Time time.Time
	// Method, Host and Path are as the client sent them.
	Method, Host, Path string
	// Token is what the Authorization header carried: equal to what [Platform.IssueToken]
	// returned if it is such a token, else without a stated scheme; the zero Token where
	// there was none, or more than one header.
	Token credentials.Token
	// Scheme is the word before the token, such as ApiKey.
	Scheme credentials.Scheme
	// Header has the other headers, without Authorization.
	Header http.Header
}

// Requests returns the log: every request that has arrived, oldest first.
func (p *Platform) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Count is how many requests have arrived.
func (p *Platform) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

// CountToken is how many requests have arrived with the token, under whatever scheme.
func (p *Platform) CountToken(t credentials.Token) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.requests {
		if r.Token.Reveal() == t.Reveal() {
			n++
		}
	}
	return n
}

// InFlight is how many requests have arrived and are not answered yet.
func (p *Platform) InFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inFlight
}

// WaitCount waits until n requests have arrived since the platform was made, answered or
// not. Its error is ctx's.
func (p *Platform) WaitCount(ctx context.Context, n int) error {
	for {
		p.mu.Lock()
		count, arrived := len(p.requests), p.arrived
		p.mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return fmt.Errorf("requestertest: %d of %d requests have arrived: %w", count, n, ctx.Err())
		}
	}
}

// logged returns the log entry of r, and the token as it was sent. The lock is held.
func (p *Platform) logged(r *http.Request) (Request, credentials.Token) {
	header := r.Header.Clone()
	values := header.Values("Authorization")
	header.Del("Authorization")
	entry := Request{Time: time.Now(), Method: r.Method, Host: r.Host, Path: r.URL.Path, Header: header}
	if len(values) != 1 {
		return entry, credentials.Token{}
	}
	sent, err := credentials.ParseToken(values[0])
	if err != nil {
		return entry, credentials.Token{}
	}
	entry.Scheme, entry.Token = sent.Scheme(), sent.WithScheme("")
	if known, ok := p.tokens[keyOf(sent)]; ok {
		entry.Token = known.token
	}
	return entry, sent
}
