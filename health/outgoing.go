package health

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// loan is the verified token, for one outgoing request.
type loan struct {
	checker *Checker
	token   credentials.Token
	sentAt  instant
}

// lend returns the token for a request that the service sends, or an [*Error] while the status
// is fail. It returns nil for a request that must not get the token: one to another scheme,
// host or port than the client's base URL, or one that already has an Authorization.
func (c *Checker) lend(req *http.Request) (*loan, error) {
	if hasKey(req.Header, "Authorization") || req.URL == nil {
		return nil, nil
	}
	if !c.cfg.client.Covers(req.URL, req.Host) {
		if req.Host != "" && c.cfg.client.Covers(req.URL, "") {
			c.warnOfHost()
		}
		return nil, nil
	}
	return c.newLoan()
}

func (c *Checker) newLoan() (*loan, error) {
	token, err := c.Snapshot().Token()
	if err != nil {
		return nil, err
	}
	return &loan{checker: c, token: token, sentAt: c.clock.now()}, nil
}

// warnOfHost logs, once, that a request to the platform got no token. The Host is left out: the
// clients of a reverse proxy choose it.
func (c *Checker) warnOfHost() {
	c.hostWarning.Do(func() {
		c.line(slog.LevelDebug, msgForeignHost, c.Snapshot(), nil)
	})
}

// authorize sets Authorization, and X-Act-Under-Account-ID if the client acts under another
// account, unless they are set.
func (l *loan) authorize(h http.Header) {
	set := make(http.Header, 2)
	l.checker.cfg.client.Authorize(set, l.token)
	for key, values := range set {
		if !hasKey(h, key) {
			h[key] = values
		}
	}
}

// hasKey reports whether h has key in any spelling. A header that was written without its
// canonical spelling is sent, too.
func hasKey(h http.Header, key string) bool {
	for k := range h {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}

// replacement is for a request that was answered with 401. It waits until the source was read
// again and the tokens that it newly holds were verified, together with all other requests that
// were refused, for at most the client's timeout. It returns a loan of another token that is in
// use then, and nil if there is none.
func (l *loan) replacement(ctx context.Context) *loan {
	l.checker.awaitReplacement(ctx, l.token, l.sentAt)
	next, err := l.checker.newLoan()
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
