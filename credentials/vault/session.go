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

// Backoff between logins that did not lead to a read. The ceiling is the checker's interval: a
// login that fails for long is tried once per refresh.
const (
	minBackoff = time.Second
	maxBackoff = time.Minute
)

// authenticator is where the Vault token of a read comes from.
type authenticator interface {
	// token returns the Vault token to read with, and whether it was obtained just now.
	token(ctx context.Context) (token string, fresh bool, err error)
	// replace returns another one after Vault has refused this one, or "" when there is
	// none to be had now.
	replace(ctx context.Context, refused string) (string, error)
	// accepted says that Vault has accepted the token.
	accepted(ctx context.Context, token string)
}

// given is a Vault token that somebody else looks after.
type given func() (string, error)

func (g given) token(context.Context) (string, bool, error) {
	token, err := g()
	if err == nil && strings.Map(printable, token) != token {
		// The Vault client would say so too, but not that waiting is no help.
		return "", false, settingError("the Vault token has an unprintable character, perhaps a line break at its end")
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

// session keeps the Vault token of a login. It logs in when somebody asks for the token, never
// on its own.
type session struct {
	method  api.AuthMethod
	clients clients
	timeout time.Duration // of the provider
	log     *slog.Logger

	turn      turn // over everything below; held during a login, so that there is one at a time
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
		err = s.loginInHalf(ctx) // the read must have its time too, should the login hang
	} else {
		err = s.login(ctx)
	}
	switch {
	case err == nil:
		return s.held.open(), true, nil
	case alive && ctx.Err() == nil:
		s.log.LogAttrs(ctx, slog.LevelWarn, "vault login failed, going on with the Vault token until its lease ends",
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
		return held, nil // somebody else has logged in meanwhile
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
	// After a failed login an older token being good says nothing about the next login.
	if token == s.held.open() && s.lastErr == nil {
		s.attempts, s.notBefore = 0, time.Time{}
	}
}

// loginInHalf is login within half of the provider's time.
func (s *session) loginInHalf(ctx context.Context) error {
	half := s.timeout / 2
	bounded, cancel := context.WithTimeoutCause(ctx, half, &timeoutError{half})
	defer cancel()
	return s.login(bounded)
}

// login asks Vault for a token. The turn must be held.
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
	lease := time.Duration(answer.Auth.LeaseDuration) * time.Second
	if lease > 0 {
		// From when the request was sent: Vault's clock has started after that.
		s.renewAt, s.ends = sent.Add(lease*2/3), sent.Add(lease)
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "logged in to vault", slog.String("method", s.describe()), slog.Duration("lease", lease))
	return nil
}

// counts reports whether a login weighs in the backoff. One for a caller who has left does not,
// nor one that did not come to a request, because the file with the secret is not there yet.
func (s *session) counts(ctx context.Context, err error) bool {
	if err == nil {
		return true
	}
	var timeout *timeoutError
	if ctx.Err() != nil && !errors.As(context.Cause(ctx), &timeout) {
		return false
	}
	var e *Error
	return !errors.As(err, &e) || !e.unasked
}

// explain makes an *Error of what a login method returns. One that is not of this package may
// show anything in what it took over from an answer: that stays out of the text, and errors.As
// still finds it.
func (s *session) explain(ctx context.Context, client *api.Client, err error) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		return err
	}
	status := responseStatus(err)
	if status == 0 {
		return noAnswer(ctx, s.describe(), publicAddress(client), err)
	}
	e := &Error{Path: s.describe(), Address: publicAddress(client), StatusCode: status, cause: err}
	e.problem, e.kind = loginProblem(status)
	return e
}

func (s *session) noToken(client *api.Client, answer *api.Secret) error {
	e := &Error{Path: s.describe(), Address: publicAddress(client), kind: credentials.ErrInvalid, problem: "login gave no Vault token: is this an auth method's login path?"}
	if answer != nil && answer.Auth != nil && answer.Auth.MFARequirement != nil {
		e.problem = "login asks for a second factor, which a service cannot give: take the role out of the MFA enforcement"
	}
	return e
}

func (s *session) postponed(wait time.Duration) error {
	problem := "the last login did not lead to a read"
	e := &Error{Path: s.describe()}
	var last *Error
	if errors.As(s.lastErr, &last) {
		*e = *last
		problem = last.problem
	}
	e.problem = fmt.Sprintf("%s (no new login for %s)", problem, wait.Round(time.Second/10))
	e.cause = s.lastErr
	return e
}

// gone is the error of a caller whose context ended while another one's login was under way.
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
	// 2^6 seconds are over the ceiling; shifting on would overflow.
	return min(minBackoff<<min(attempts, 6), maxBackoff)
}

// turn is a mutex whose waiters may leave.
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
