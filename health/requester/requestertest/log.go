package requestertest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Request is one request as it arrived.
type Request struct {
	// Time is when it arrived, in fake time inside a testing/synctest bubble.
	Time time.Time
	// Method, Host and Path are as the client sent them.
	Method, Host, Path string
	// Token is the token of the Authorization header: equal to the token of
	// [Platform.IssueToken] or [Platform.AcceptToken] if it is one, else without a stated scheme.
	// It is the zero Token if there was none, or more than one header.
	Token credentials.Token
	// Scheme is the authorization scheme, such as ApiKey.
	Scheme credentials.Scheme
	// Header has the other headers, without Authorization.
	Header http.Header
}

// Requests returns a copy of the log: every request that has arrived, oldest first.
func (p *Platform) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Count returns the number of requests that have arrived.
func (p *Platform) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

// CountToken returns the number of requests that have arrived with the token, under any scheme.
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

// WaitCount waits until n requests have arrived since the platform was created, answered or not.
// It returns an error if ctx ends first.
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

// entryLocked returns the log entry of r, and the token as it was sent.
func (p *Platform) entryLocked(r *http.Request) (Request, credentials.Token) {
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
