package health

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// report writes what operators want to know about a step, and nothing about a step that changed nothing. It runs without
// the lock, in the goroutine that made the step.
func (c *Checker) report(old, snap *Snapshot, ev event) {
	if !snap.state.Token.IsZero() && !ev.rotatedFrom.IsZero() {
		c.log(slog.LevelInfo, "toloka credential rotated", snap,
			append(c.accountAttrs(snap), slog.String("token.previous", ev.rotatedFrom.Fingerprint())))
	}
	switch {
	case snap.reason == old.reason && snap.status == old.status:
		if !ev.refusedNew.IsZero() {
			c.logRefused(snap, ev)
		}
	case snap.reason == ReasonClosed:
		c.log(slog.LevelInfo, "toloka credential checker closed", snap, nil)
	case snap.reason == ReasonRotationRejected && !ev.refusedNew.IsZero():
		c.logRefused(snap, ev)
	case snap.open && (old.reason == ReasonStarting || !old.open):
		c.log(levelOfOpening(old, snap), "toloka credential verified", snap,
			append(c.accountAttrs(snap), statusAttrs(old, snap)...))
	case !ev.rotatedFrom.IsZero() && snap.status == StatusPass:
		// The line about the rotation says it all.
	default:
		c.log(levelOfStep(old, snap), messageOf(snap), snap, statusAttrs(old, snap))
	}
	if snap.Draining() && !old.Draining() {
		c.log(slog.LevelInfo, "toloka credential checker draining", snap, nil)
	}
}

// logRefused tells of a new token that was turned down while the old one goes on working.
func (c *Checker) logRefused(snap *Snapshot, ev event) {
	c.log(slog.LevelWarn, "toloka credential: new token refused, the old one stays in use", snap, []slog.Attr{
		slog.String("status", snap.status.String()),
		slog.String("reason", ReasonRotationRejected.String()),
		slog.String("token.refused", ev.refusedNew.Fingerprint()),
		slog.String("error", ev.refusedBy.Error()),
		slog.String("action", ReasonRotationRejected.Advice()),
	})
}

// messageOf is the same for every reason of a status, so that it can be searched for; the reason is an attribute.
func messageOf(snap *Snapshot) string {
	switch snap.status {
	case StatusPass:
		return "toloka credential verified"
	case StatusWarn:
		return "toloka credential works, but needs attention"
	default:
		return "toloka credential cannot be used"
	}
}

// levelOfOpening: at startup a credential with a flaw is worth a warning, later it is the better of two states.
func levelOfOpening(old, snap *Snapshot) slog.Level {
	if snap.status == StatusWarn && !old.Started() {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// levelOfStep is Info for the better, otherwise as serious as the status.
func levelOfStep(old, snap *Snapshot) slog.Level {
	switch {
	case snap.status > old.status, snap.status == StatusPass:
		return slog.LevelInfo
	case snap.status == StatusWarn:
		return slog.LevelWarn
	case old.reason == ReasonStarting && (snap.reason == ReasonUnreachable || snap.reason == ReasonNoCredential && !holdsNone(snap.Cause())):
		// The service comes up without a verdict because the platform or the source is not there: not the service's fault.
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

// statusAttrs say what changed, why, and what to do.
func statusAttrs(old, snap *Snapshot) []slog.Attr {
	attrs := []slog.Attr{slog.String("status", snap.status.String())}
	if old.status != snap.status {
		attrs = append(attrs, slog.String("previous", old.status.String()))
	}
	if snap.reason != ReasonVerified {
		attrs = append(attrs, slog.String("reason", snap.Reasons().String()))
		if err := snap.Cause(); err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		attrs = append(attrs, slog.String("action", snap.reason.Advice()))
	}
	return attrs
}

// accountAttrs say which account the service runs on, in the words of the platform's API.
func (c *Checker) accountAttrs(snap *Snapshot) []slog.Attr {
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
	return append(attrs, slog.Duration("latency", snap.Latency().Round(time.Millisecond)))
}

// log writes one line. The environment comes first and the token's source and fingerprint last, in every line.
func (c *Checker) log(level slog.Level, msg string, snap *Snapshot, attrs []slog.Attr) {
	line := make([]slog.Attr, 0, len(attrs)+4)
	if snap.Name() != "" {
		line = append(line, slog.String("checker", snap.Name()))
	}
	line = append(line, slog.String("environment", snap.Environment()))
	line = append(line, attrs...)
	line = append(line, slog.String("token.source", snap.TokenSource()))
	if !snap.state.Token.IsZero() {
		line = append(line, slog.String("token.fingerprint", snap.TokenFingerprint()))
	}
	c.cfg.logger.LogAttrs(context.Background(), level, msg, line...)
}

// logWarnings logs what the source warns of, each warning once.
func (c *Checker) logWarnings() {
	warnings := c.source.warnings.Load()
	if warnings == nil {
		return
	}
	for _, w := range *warnings {
		if !slices.Contains(c.warned, w) {
			c.warned = append(c.warned, w)
			c.log(slog.LevelWarn, "toloka credential: "+w, c.Snapshot(), nil)
		}
	}
}
