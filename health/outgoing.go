package health

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// reverifyPause is how long after a verification an outgoing request that is answered with 401 does not cause another one:
// an endpoint that always says 401 must not double the calls to the platform.
const reverifyPause = 10 * time.Second

// Loan is the verified token, lent to one outgoing request.
type Loan struct {
	checker *Checker
	token   credentials.Token
	sentAt  time.Time
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
	return &Loan{checker: c, token: token, sentAt: time.Now()}, nil
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

// Refused is for a request that was answered with 401. It has the token verified again, together with everybody else who
// asks for that, unless it was verified since the request was sent or in the last ten seconds; and it returns a new loan
// when another token is in use now. Nil means that there is nothing better to try.
func (l *Loan) Refused(ctx context.Context) *Loan {
	if call := l.checker.reverify(l.token, l.sentAt); call != nil {
		_ = call.wait(ctx) // whatever came of it, the token in use now is what counts
	}
	next, err := l.checker.lend()
	if err != nil || next.token.Equal(l.token) || ctx.Err() != nil {
		return nil
	}
	return next
}

// reverify starts or joins a check, or returns nil when there is nothing to learn from one.
func (c *Checker) reverify(token credentials.Token, sentAt time.Time) *refresh {
	c.mu.Lock()
	defer c.mu.Unlock()
	verifiedAt := c.m.good.SentAt
	switch {
	case c.m.closed || c.phase != running:
		return nil
	case !token.Equal(c.m.token):
		return nil // replaced already: the refusal is of no interest any more
	case c.m.verdict != verified:
		// Refused already. What there is to learn is whether another token works, and that a check which goes on will tell.
		if c.current != nil {
			return c.current
		}
		return c.pending
	case verifiedAt.After(sentAt) || time.Since(verifiedAt) < reverifyPause:
		return nil
	}
	// An answer that has arrived and is about to be taken in is as good as one that was: it is newer than any the caller saw.
	return c.joinLocked(c.heard)
}
