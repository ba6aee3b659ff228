package health

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Loan is the verified token, lent to one outgoing request.
type Loan struct {
	checker *Checker
	token   credentials.Token
	sentAt  instant
}

// Lend decides about one request that the service is about to send. It returns nil for a request that the token has no
// business in: one to another scheme, host or port than the checker's base URL, or one that brings an
// Authorization of its own. For the others it returns a loan, or, while the status is fail, an [*Error]: a
// credential that is not good is not sent.
func (c *Checker) Lend(req *http.Request) (*Loan, error) {
	if hasKey(req.Header, "Authorization") || req.URL == nil || !c.cfg.client.Covers(req.URL, req.Host) {
		return nil, nil
	}
	return c.lend()
}

func (c *Checker) lend() (*Loan, error) {
	token, err := c.Token()
	if err != nil {
		return nil, err
	}
	return &Loan{checker: c, token: token, sentAt: c.clock.now()}, nil
}

// Authorize sets Authorization, and X-Act-Under-Account-ID where the client acts under another account, except where the
// caller has set them.
func (l *Loan) Authorize(h http.Header) {
	set := make(http.Header, 2)
	l.checker.cfg.client.Authorize(set, l.token)
	for key, values := range set {
		if !hasKey(h, key) {
			h[key] = values
		}
	}
}

// hasKey reports whether h has key in any spelling: who wrote to the map by hand may not have used the canonical one, and
// net/http sends what there is.
func hasKey(h http.Header, key string) bool {
	for k := range h {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}

// Refused is for a request that was answered with 401. It waits until the source was read again
// and the tokens that it newly holds were verified, together with all other requests that were
// refused, for at most the client's timeout. It returns a new loan if another token is in use
// then, and nil if there is no better token.
func (l *Loan) Refused(ctx context.Context) *Loan {
	l.checker.awaitReplacement(ctx, l.token, l.sentAt)
	next, err := l.checker.lend()
	if err != nil || next.token.Equal(l.token) || ctx.Err() != nil {
		return nil
	}
	return next
}

// awaitReplacement waits until the refusal of a request, sent at sentAt with token, has been
// looked into.
func (c *Checker) awaitReplacement(ctx context.Context, token credentials.Token, sentAt instant) {
	c.mu.Lock()
	r := c.m.refusedElsewhere(token, sentAt)
	c.mu.Unlock()
	if r == nil {
		return
	}
	c.wake()
	limit := time.NewTimer(c.cfg.pace.timeout)
	defer limit.Stop()
	for {
		snap, published := c.watch()
		if !snap.state.Token.Equal(token) && snap.open {
			return
		}
		select {
		case <-r.done:
			return
		case <-published:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// refusedElsewhere is for a token that was refused at another endpoint, in a request sent at
// sentAt. The source is read, and then the token in use is verified again, but not more often
// than reverifyPause. It returns nil if there is nothing to wait for.
func (m *machine) refusedElsewhere(token credentials.Token, sentAt instant) *round {
	r := m.inUse
	if m.closed || !m.started || r == nil || !token.Equal(r.token) {
		return nil
	}
	read := m.source.begun // the last read may be recent enough
	if m.source.readAt < sentAt {
		read++
	}
	round := m.join(read, false)
	if m.works() && r.refusals == 0 && r.verifiedAt < sentAt {
		round.doubt = r
	}
	return round
}
