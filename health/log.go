package health

import (
	"log/slog"
	"math"
	"time"
)

// Messages are constants, so that an operator can search for them.
const (
	msgVerified    = "toloka credential verified"
	msgAttention   = "toloka credential works, but needs attention"
	msgUnusable    = "toloka credential cannot be used"
	msgRotated     = "toloka credential rotated"
	msgRefused     = "toloka credential: new token refused, the old one stays in use"
	msgSource      = "toloka credential source needs attention"
	msgStoreLost   = "toloka credential: the shared store does not answer"
	msgStoreFound  = "toloka credential: the shared store answers again"
	msgUnsealed    = "toloka credential: a shared entry cannot be opened and is ignored"
	msgDraining    = "toloka credential checker draining"
	msgClosed      = "toloka credential checker closed"
	msgForeignHost = "toloka credential: a request to the platform got no token, because its " +
		"Host header is another host; in httputil.ReverseProxy use Rewrite with SetURL"
	msgForgotten = "toloka credential checker is not started: call Start"
)

// maxWarned bounds how many warnings are remembered, so that each is logged once.
const maxWarned = 100

// report logs what operators want to know about a step, and nothing about a step that changed
// nothing. While Start waits, failures are not logged: it returns them, or the last of them is
// logged when it ends.
func (c *Checker) report(old, snap *Snapshot, n note) {
	for _, w := range n.warnings {
		if !c.warned[w] {
			if len(c.warned) >= maxWarned {
				clear(c.warned) // a careless provider has new sentences all the time
			}
			c.warned[w] = true
			c.line(slog.LevelWarn, msgSource, snap, func() []slog.Attr {
				return []slog.Attr{slog.String("warning", w)}
			})
		}
	}
	if !n.rotatedFrom.IsZero() {
		c.line(slog.LevelInfo, msgRotated, snap, func() []slog.Attr {
			return append(accountAttrs(snap),
				slog.String("token.previous", n.rotatedFrom.Fingerprint()))
		})
	}
	c.reportStore(snap, n)
	same := snap.reason == old.reason && snap.status == old.status
	gaveUp := snap.state.Started && !old.state.Started && !snap.open
	switch {
	case same && !gaveUp:
		if !n.passedOver.IsZero() {
			c.reportRefused(snap, n)
		}
	case snap.reason == ReasonClosed:
		c.line(slog.LevelInfo, msgClosed, snap, nil)
	case snap.reason == ReasonRotationRejected && !n.passedOver.IsZero():
		c.reportRefused(snap, n)
	case snap.open && !old.open:
		c.line(levelOfOpening(old, snap), msgVerified, snap, func() []slog.Attr {
			return append(accountAttrs(snap), statusAttrs(old, snap)...)
		})
	case !n.rotatedFrom.IsZero() && snap.status == StatusPass:
		// The line about the rotation has everything.
	case !snap.open && !snap.state.Started:
		// Start returns the error.
	default:
		c.line(levelOfStep(old, snap), messageOf(snap), snap, func() []slog.Attr {
			return statusAttrs(old, snap)
		})
	}
	if snap.state.Draining && !old.state.Draining {
		c.line(slog.LevelInfo, msgDraining, snap, nil)
	}
}

// reportStore logs when the shared store is lost and found, and the first entry that was not what
// a holder of the token stored.
func (c *Checker) reportStore(snap *Snapshot, n note) {
	withError := func(msg string, err error) {
		c.line(slog.LevelWarn, msg, snap, func() []slog.Attr {
			return []slog.Attr{slog.String("error", err.Error())}
		})
	}
	if n.lost != nil {
		withError(msgStoreLost, n.lost)
	}
	if n.found {
		c.line(slog.LevelInfo, msgStoreFound, snap, nil)
	}
	if n.unsealed != nil {
		withError(msgUnsealed, n.unsealed)
	}
}

// reportRefused logs a new token that was turned down while the old one works.
func (c *Checker) reportRefused(snap *Snapshot, n note) {
	c.line(slog.LevelWarn, msgRefused, snap, func() []slog.Attr {
		return []slog.Attr{
			slog.String("status", snap.status.String()),
			slog.String("reason", ReasonRotationRejected.String()),
			slog.String("token.refused", n.passedOver.Fingerprint()),
			slog.String("error", n.why.Error()),
			slog.String("action", ReasonRotationRejected.Advice()),
		}
	})
}

func messageOf(snap *Snapshot) string {
	switch snap.status {
	case StatusPass:
		return msgVerified
	case StatusWarn:
		return msgAttention
	default:
		return msgUnusable
	}
}

// levelOfOpening: at startup a credential with a flaw is a warning, later it is an improvement.
func levelOfOpening(old, snap *Snapshot) slog.Level {
	if snap.status == StatusWarn && !old.state.Started {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// levelOfStep is Info for an improvement, otherwise as serious as the status. A service that
// comes up without a verdict, because the platform or the source does not answer, is a warning.
func levelOfStep(old, snap *Snapshot) slog.Level {
	switch {
	case snap.status > old.status, snap.status == StatusPass:
		return slog.LevelInfo
	case snap.status == StatusWarn, !old.state.Started:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

// statusAttrs say what changed, why, and what to do.
func statusAttrs(old, snap *Snapshot) []slog.Attr {
	attrs := []slog.Attr{slog.String("status", snap.status.String())}
	if old.status != snap.status && old.reason != ReasonStarting {
		attrs = append(attrs, slog.String("previous", old.status.String()))
	}
	if snap.reason == ReasonVerified {
		return attrs
	}
	attrs = append(attrs, slog.String("reason", snap.reasons.String()))
	if err := snap.state.Err; err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	if advice := adviceFor(snap.reason, snap.state.Err); advice != "" {
		attrs = append(attrs, slog.String("action", advice))
	}
	return attrs
}

// accountAttrs say which account the service runs on, in the words of the platform's API.
func accountAttrs(snap *Snapshot) []slog.Attr {
	account := snap.state.Account
	if account == nil {
		return nil
	}
	attrs := []slog.Attr{slog.String("account.id", account.ID())}
	if name := account.Name(); name != "" {
		attrs = append(attrs, slog.String("account.name", name))
	}
	if company, ok := account.Company(); ok {
		attrs = append(attrs, slog.String("company.id", company.ID))
	}
	if balance, ok := account.Balance(); ok {
		attrs = append(attrs, slog.String("balance", balance.String()))
	}
	return append(attrs, slog.Float64("latency_ms", milliseconds(snap.state.Latency)))
}

// milliseconds returns d in milliseconds, with three digits at most: slog's JSON handler would
// write a duration as a number of nanoseconds.
func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}

// line logs one line. The name and the environment come first, the token's source and fingerprint
// last.
func (c *Checker) line(level slog.Level, msg string, snap *Snapshot, attrs func() []slog.Attr) {
	c.log.add(level, msg, func() []slog.Attr {
		var all []slog.Attr
		if snap.state.Name != "" {
			all = append(all, slog.String("checker", snap.state.Name))
		}
		all = append(all, slog.String("environment", snap.state.Environment))
		if attrs != nil {
			all = append(all, attrs()...)
		}
		all = append(all, slog.String("token.source", snap.state.TokenSource))
		if !snap.state.Token.IsZero() {
			all = append(all, slog.String("token.fingerprint", snap.TokenFingerprint()))
		}
		return all
	})
}
