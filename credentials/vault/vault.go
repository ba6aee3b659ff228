package vault

import (
	"context"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Provider reads a token from Vault: one read at each call of [Provider.Token], and a login
// before it where one is due. It keeps the Vault token of its login, never the secret, has no
// goroutine of its own, and is safe for concurrent use. Make one with [New] or [FromEnv].
type Provider struct {
	secret    location
	timeout   time.Duration
	auth      authenticator
	clients   clients
	closeIdle func()
}

var (
	_ credentials.Provider  = (*Provider)(nil)
	_ credentials.Describer = (*Provider)(nil)
)

// New returns a provider for a service that has a Vault client. One of [KVv1] and [KVv2] must
// be among the options. Without [WithAuth] each read sends the Vault token that the client has
// at that moment, so a service that looks after its own login goes on doing so.
//
// The client is only read, never changed. Address, namespace, other headers and transport are
// taken over as they are now; retries, redirects and cookies are not, whatever the client is
// set to, and neither is anything from the environment. New does not ask Vault.
//
// The error wraps [credentials.ErrInvalid] and says which setting cannot work.
func New(client *api.Client, opts ...Option) (*Provider, error) {
	if client == nil {
		return nil, settingError("the Vault client is nil")
	}
	return newProvider(client, collect(opts))
}

// Token reads the secret as it is now, and returns the token in its field. The error is an
// [*Error]; with [WithAuth] it may be about the login.
//
// On a 403 it logs in again once and reads once more, unless it has just logged in or logins
// are being held back after failures (1 s, doubling up to a minute).
//
// The values of ctx are not passed on to the HTTP requests: an httptrace would see the Vault
// token.
func (p *Provider) Token(ctx context.Context) (credentials.Token, error) {
	bounded, cancel := p.bound(ctx)
	defer cancel()
	if bounded.Err() != nil {
		return credentials.Token{}, noAnswer(bounded, p.secret.apiPath(), "", context.Cause(bounded))
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

// Describe names the secret, like "vault:secret/data/toloka#token".
func (p *Provider) Describe() string { return p.secret.describe() }

// String returns what [Provider.Describe] does.
func (p *Provider) String() string { return p.Describe() }

// CloseIdleConnections closes the connections to Vault that are not in use. With [New] they
// are those of the given client's transport. A program that ends need not call it.
func (p *Provider) CloseIdleConnections() { p.closeIdle() }

func (p *Provider) read(ctx context.Context, vaultToken string) (credentials.Token, verdict, error) {
	token, v, err := p.secret.read(ctx, p.clients(vaultToken))
	if v == accepted {
		p.auth.accepted(ctx, vaultToken)
	}
	return token, v, err
}

// bound returns a context that ends with ctx, or when the provider's time is up, and that has
// none of its values.
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

func newProvider(client *api.Client, s settings) (*Provider, error) {
	if err := s.complete(); err != nil {
		return nil, err
	}
	if err := checkAddress(client.Address()); err != nil {
		return nil, err
	}
	clients, closeIdle, err := privateClients(client, s.namespace)
	if err != nil {
		return nil, err
	}
	timeout := s.timeout
	if timeout == 0 {
		timeout = DefaultTimeout
		if t := client.ClientTimeout(); t > 0 {
			timeout = min(timeout, t)
		}
	}
	auth := s.authenticator(client.Token, clients, timeout)
	return &Provider{secret: s.secret, timeout: timeout, auth: auth, clients: clients, closeIdle: closeIdle}, nil
}
