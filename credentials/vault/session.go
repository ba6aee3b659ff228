package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Backoff between logins after which no read has succeeded. The maximum is the checker's default
// interval: a login that keeps failing is tried once per check.
const (
	minBackoff = time.Second
	maxBackoff = time.Minute
)

// maxLease bounds a lease, in seconds. time.Duration ends at 292 years, and two thirds of a lease
// are computed as lease*2/3.
const maxLease = 100 * 365 * 24 * 60 * 60

// authenticator provides the Vault token of a read.
type authenticator interface {
	// token returns the Vault token to read with, and whether it comes from a login just now.
	token(ctx context.Context) (token string, fresh bool, err error)
	// replace returns a different token after Vault has refused this one, or "" if there is
	// none at the moment.
	replace(ctx context.Context, refused string) (string, error)
	// accepted records that Vault has accepted the token.
	accepted(ctx context.Context, token string)
}

// given is a Vault token managed elsewhere: by the service or a Vault Agent.
type given func(context.Context) (string, error)

func newGiven(token func() string) given {
	return func(context.Context) (string, error) { return token(), nil }
}

func (g given) token(ctx context.Context) (string, bool, error) {
	token, err := g(ctx)
	if err == nil && strings.Map(printable, token) != token {
		// The Vault client rejects it too, but not as a permanent error.
		return "", false, settingError("the Vault token has an unprintable character, " +
			"perhaps a line break at its end")
	}
	return token, false, err
}

func (g given) replace(ctx context.Context, refused string) (string, error) {
	token, _, err := g.token(ctx)
	if err != nil || token == refused {
		return "", err
	}
	return token, nil
}

func (given) accepted(context.Context, string) {}

// session keeps the Vault token of a login. It logs in only when a caller needs the token.
type session struct {
	method  api.AuthMethod
	clients clients
	timeout time.Duration // of the provider
	log     *slog.Logger

	turn      turn // guards the following fields; held during a login: there is one at a time
	held      secret
	renewAt   time.Time // zero: never
	ends      time.Time // zero: never
	attempts  int       // logins since Vault last accepted a token
	notBefore time.Time // no login before
	lastErr   error     // of the last login
}

func (s *session) token(ctx context.Context) (string, bool, error) {
	if err := s.turn.enter(ctx); err != nil {
		return "", false, s.gone(ctx, err)
	}
	defer s.turn.leave()
	now := time.Now()
	alive := s.held.open() != "" && (s.ends.IsZero() || now.Before(s.ends))
	if alive && (s.renewAt.IsZero() || now.Before(s.renewAt)) {
		return s.held.open(), false, nil
	}
	if wait := s.notBefore.Sub(now); wait > 0 {
		if alive {
			return s.held.open(), false, nil
		}
		return "", false, s.postponed(wait)
	}
	var err error
	if alive {
		err = s.loginInHalf(ctx) // a login that hangs must leave time for the read
	} else {
		err = s.login(ctx)
	}
	switch {
	case err == nil:
		return s.held.open(), true, nil
	case alive && ctx.Err() == nil:
		s.log.LogAttrs(ctx, slog.LevelWarn,
			"vault login failed; the previous Vault token is used until its lease ends",
			slog.Time("lease_ends", s.ends.UTC()), slog.Any("error", err))
		return s.held.open(), false, nil
	}
	return "", false, err
}

func (s *session) replace(ctx context.Context, refused string) (string, error) {
	if err := s.turn.enter(ctx); err != nil {
		return "", s.gone(ctx, err)
	}
	defer s.turn.leave()
	if held := s.held.open(); held != refused {
		return held, nil // another caller has logged in meanwhile
	}
	if time.Now().Before(s.notBefore) {
		return "", nil
	}
	if err := s.login(ctx); err != nil {
		return "", err
	}
	return s.held.open(), nil
}

func (s *session) accepted(ctx context.Context, token string) {
	if s.turn.enter(ctx) != nil {
		return
	}
	defer s.turn.leave()
	// After a failed login, an older token that works says nothing about the next login.
	if token == s.held.open() && s.lastErr == nil {
		s.attempts, s.notBefore = 0, time.Time{}
	}
}

// loginInHalf is login within half of the provider's timeout.
func (s *session) loginInHalf(ctx context.Context) error {
	half := s.timeout / 2
	bounded, cancel := context.WithTimeoutCause(ctx, half, &timeoutError{half})
	defer cancel()
	return s.login(bounded)
}

// login asks Vault for a token. The caller must hold the turn.
func (s *session) login(ctx context.Context) error {
	sent := time.Now()
	client := s.clients("")
	answer, err := s.method.Login(ctx, client)
	if err == nil && (answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "") {
		err = s.noToken(client, answer)
	} else if err != nil {
		err = s.explain(ctx, client, err)
	}
	if s.counts(ctx, err) {
		s.notBefore = time.Now().Add(backoff(s.attempts))
		s.attempts++
	}
	if s.lastErr = err; err != nil {
		return err
	}
	s.held = newSecret(answer.Auth.ClientToken)
	s.renewAt, s.ends = time.Time{}, time.Time{}
	lease := time.Duration(min(answer.Auth.LeaseDuration, maxLease)) * time.Second
	if lease > 0 {
		// Counted from the request: Vault's lease starts later.
		s.renewAt, s.ends = sent.Add(lease*2/3), sent.Add(lease)
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "logged in to vault",
		slog.String("method", s.describe()), slog.String("lease", lease.String()))
	return nil
}

// counts reports whether a login counts for the backoff. One whose caller has left does not, nor
// one that sent no request, because the file with the secret does not exist yet.
func (s *session) counts(ctx context.Context, err error) bool {
	if err == nil {
		return true
	}
	var timeout *timeoutError
	if ctx.Err() != nil && !errors.As(context.Cause(ctx), &timeout) {
		return false
	}
	var e *vaultError
	return !errors.As(err, &e) || !e.unasked
}

// explain turns the error of a login method into a vaultError. The text of a foreign method may
// quote secrets from a response, so it is left out; errors.As still finds the error.
func (s *session) explain(ctx context.Context, client *api.Client, err error) error {
	if own := (*vaultError)(nil); errors.As(err, &own) {
		return err
	}
	status := responseStatus(err)
	if status == 0 {
		return noAnswer(ctx, s.describe(), publicAddress(client), err)
	}
	e := &vaultError{path: s.describe(), address: publicAddress(client), status: status, cause: err}
	e.problem, e.kind = loginProblem(status)
	return e
}

func (s *session) noToken(client *api.Client, answer *api.Secret) error {
	e := &vaultError{
		path: s.describe(), address: publicAddress(client), kind: credentials.ErrInvalid,
		problem: "login returned no Vault token: check that this is the login path " +
			"of an auth method",
	}
	if answer != nil && answer.Auth != nil && answer.Auth.MFARequirement != nil {
		e.problem = "login requires MFA, which a service cannot do: exempt the role from MFA"
	}
	return e
}

// postponed is the error of a call that needs a login during the backoff.
func (s *session) postponed(wait time.Duration) error {
	e := &vaultError{path: s.describe(), problem: "no read succeeded after the last login"}
	var last *vaultError
	if errors.As(s.lastErr, &last) {
		*e = *last
	}
	e.note += fmt.Sprintf(" (next login in %s)", wait.Round(time.Second/10))
	e.cause = s.lastErr
	return e
}

// gone is the error of a caller whose context ended while it waited for a login.
func (s *session) gone(ctx context.Context, err error) error {
	return noAnswer(ctx, s.describe(), "", err)
}

func (s *session) describe() string {
	if m, ok := s.method.(interface{ path() string }); ok {
		return m.path()
	}
	return fmt.Sprintf("login by %T", s.method)
}

func backoff(attempts int) time.Duration {
	// 2^6 seconds exceed the maximum; a larger shift would overflow.
	return min(minBackoff<<min(attempts, 6), maxBackoff)
}

// turn is a mutex whose waiters can give up.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) enter(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turn) leave() { <-t }
