package requestertest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Count returns the number of requests that have arrived.
func (p *Platform) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// CountToken returns the number of requests that have arrived with the token, under any scheme.
func (p *Platform) CountToken(t credentials.Token) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.countByToken[keyOf(t)]
}

// WaitCount waits until n requests have arrived since the platform was created, answered or not.
// It returns an error if ctx ends first.
func (p *Platform) WaitCount(ctx context.Context, n int) error {
	for {
		p.mu.Lock()
		count, arrived := p.count, p.arrived
		p.mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return fmt.Errorf("requestertest: %d of %d requests have arrived: %w",
				count, n, ctx.Err())
		}
	}
}

// tokenOf returns the token as it was sent, the zero Token if there is none, or more than one
// Authorization header.
func tokenOf(r *http.Request) credentials.Token {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return credentials.Token{}
	}
	sent, err := credentials.ParseToken(values[0])
	if err != nil {
		return credentials.Token{}
	}
	return sent
}
