package vault

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/internal/names"
)

// maxBody bounds a response, in bytes. It is the default max_entry_size of Vault's integrated
// storage.
const maxBody = 1 << 20

var errTooLarge = errors.New("answered with more than 1 MiB: that is not a secret with a token")

// clients returns a new client that sends the given Vault token, or none if it is "". The caller
// may change the client.
type clients func(token string) *api.Client

// privateClients derives clients from the user's, and a func that closes its idle connections.
//
// Address, namespace, headers and transport come from the user's client, which is not changed.
// Its Clone method is of no use: token, headers and address of a clone may come from
// VAULT_TOKEN, VAULT_HEADERS and VAULT_AGENT_ADDR.
func privateClients(client *api.Client, namespace *string) (clients, func(), error) {
	cfg := client.CloneConfig()
	cfg.Address, cfg.AgentAddress = client.Address(), ""
	original := *cfg.HttpClient // keeps the transport that is replaced here
	cfg.HttpClient.Transport = guard{cfg.HttpClient.Transport}
	cfg.HttpClient.Jar = nil
	cfg.ReadYourWrites = false
	// The caller of the provider decides when to retry.
	cfg.CheckRetry = func(context.Context, *http.Response, error) (bool, error) {
		return false, nil
	}
	// The context of the provider bounds every request.
	cfg.Timeout = 0

	base, err := api.NewClient(cfg)
	if err != nil {
		return nil, nil, settingError("the Vault client cannot be copied: %s", configProblem(err))
	}
	headers := client.Headers()
	if headers == nil {
		headers = http.Header{} // the Vault client writes to it
	}
	base.SetHeaders(headers)
	if namespace != nil {
		base.ClearNamespace()
		if *namespace != "" {
			base.SetNamespace(*namespace)
		}
	}
	// The default wraps every response if VAULT_WRAP_TTL is set.
	base.SetWrappingLookupFunc(func(string, string) string { return "" })

	return func(token string) *api.Client {
		c := base.WithNamespace(base.Namespace())
		c.SetToken(token)
		return c
	}, original.CloseIdleConnections, nil
}

// guard refuses redirects, which would send the Vault token elsewhere, and bounds response bodies.
// It is a RoundTripper, so it covers foreign login methods too. It has no
// CloseIdleConnections, because the Vault client would call it after each failure, and the
// connections belong to the user's client.
type guard struct{ base http.RoundTripper }

func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := g.base.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	if 300 <= resp.StatusCode && resp.StatusCode < 400 {
		_ = resp.Body.Close()
		return nil, &redirectError{status: resp.StatusCode, to: target(resp)}
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxBody}
	return resp, nil
}

// target is the target of a redirect without path and query.
func target(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil || to.Host == "" {
		return "nowhere"
	}
	return to.Scheme + "://" + to.Host
}

// boundedBody fails at its bound. An io.LimitReader would end as if the body were complete.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return n, errTooLarge
	}
	return n, err
}

// checkAddress rejects an address that is not a URL. Then it may be anything, even a secret.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return settingError("the address of Vault is not a URL: it must look like %s",
			exampleAddress)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return settingError("the address of Vault is %s: it must look like %s",
			quoted(names.Path(u.Redacted())), exampleAddress)
	}
	return nil
}

const exampleAddress = "https://vault.example.com:8200"

// publicAddress is the address of the client as errors may show it.
func publicAddress(client *api.Client) string {
	u, err := url.Parse(client.Address())
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
