package vault

import (
	"context"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Provider reads a token from Vault. Each call of [Provider.Token] is one read, after a login
// if one is due. It keeps the Vault token of its login but not the secret, has no goroutine,
// and is safe for concurrent use. Create one with [New] or [FromEnv].
type Provider struct {
	name      string // of the secret, for Describe
	path      string // of the secret, for errors
	secret    func(context.Context, *api.Client) (credentials.Token, verdict, error)
	timeout   time.Duration
	auth      authenticator
	clients   clients
	closeIdle func()
}

var (
	_ credentials.Provider  = (*Provider)(nil)
	_ credentials.Describer = (*Provider)(nil)
)

// New returns a provider that uses the service's Vault client. One of [KVv1] and [KVv2] is
// required. Without [WithAuth] each read sends the Vault token that the client has at that
// moment, so a service that manages its own login continues to do so.
//
// The client is read but never changed. Its address, namespace, headers and transport are
// copied by this call. Its retries, redirects and cookies are not used, and the environment
// is ignored. New sends no request.
//
// The error wraps [credentials.ErrInvalid] and names the invalid setting.
func New(client *api.Client, opts ...Option) (*Provider, error) {
	if client == nil {
		return nil, settingError("the Vault client is nil")
	}
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	return newProvider(client, s)
}

// Token reads the secret and returns the token in its field. With [WithAuth] the error may be about
// the login. Its text names the request to Vault, the problem and what to do, and no secret.
// errors.Is tells the kinds of [credentials.Provider] apart:
//   - [credentials.ErrNotFound]: no such secret, or its version is deleted or destroyed;
//   - [credentials.ErrInvalid]: permission denied, login refused, no such field, invalid setting;
//   - neither: sealed, unreachable, rate limited. A later call may succeed.
//
// On a 403 it logs in once more and repeats the read, unless it has just logged in or waits
// after failed logins (1 s, doubling up to a minute).
//
// The HTTP requests do not see the values of ctx: an httptrace could read the Vault token.
func (p *Provider) Token(ctx context.Context) (credentials.Token, error) {
	bounded, cancel := p.bound(ctx)
	defer cancel()
	if bounded.Err() != nil {
		return credentials.Token{}, noAnswer(bounded, p.path, "", context.Cause(bounded))
	}
	vaultToken, fresh, err := p.auth.token(bounded)
	if err != nil {
		return credentials.Token{}, err
	}
	token, verdict, err := p.read(bounded, vaultToken)
	if verdict != refused || fresh {
		return token, err
	}
	other, loginErr := p.auth.replace(bounded, vaultToken)
	if loginErr != nil {
		return credentials.Token{}, loginErr
	}
	if other == "" {
		return token, err
	}
	token, _, err = p.read(bounded, other)
	return token, err
}

// Describe names the secret: "vault:secret/data/toloka#token". A mount, path or field that
// looks like a secret is replaced by "(hidden)".
func (p *Provider) Describe() string { return p.name }

// CloseIdleConnections closes the idle connections to Vault. With [New] they belong to the
// transport of the given client. A program that ends need not call it.
func (p *Provider) CloseIdleConnections() { p.closeIdle() }

func newProvider(client *api.Client, s settings) (*Provider, error) {
	if err := s.complete(client); err != nil {
		return nil, err
	}
	if err := checkAddress(client.Address()); err != nil {
		return nil, err
	}
	clients, closeIdle, err := privateClients(client, s.namespace)
	if err != nil {
		return nil, err
	}
	return &Provider{
		name:      s.secret.describe(),
		path:      s.secret.shownPath(),
		secret:    s.secret.read, // a func, so that printing a Provider shows no hidden name
		timeout:   s.timeout,
		auth:      s.authenticator(client, clients),
		clients:   clients,
		closeIdle: closeIdle,
	}, nil
}

func (p *Provider) read(
	ctx context.Context, vaultToken string,
) (credentials.Token, verdict, error) {
	token, v, err := p.secret(ctx, p.clients(vaultToken))
	if v == accepted {
		p.auth.accepted(ctx, vaultToken)
	}
	return token, v, err
}

// bound returns a context that ends with ctx or after the provider's timeout, without the values
// of ctx.
func (p *Provider) bound(ctx context.Context) (context.Context, func()) {
	own, cancel := context.WithCancelCause(context.Background())
	if err := ctx.Err(); err != nil {
		cancel(err)
	}
	stop := context.AfterFunc(ctx, func() { cancel(ctx.Err()) })
	timed, release := context.WithTimeoutCause(own, p.timeout, &timeoutError{p.timeout})
	return timed, func() {
		stop()
		release()
		cancel(nil)
	}
}
