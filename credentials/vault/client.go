package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/hashicorp/vault/api"
)

// maxBody bounds an answer, in bytes. It is what Vault's integrated storage takes for one entry
// by default (max_entry_size).
const maxBody = 1 << 20

var errTooLarge = errors.New("answered with more than 1 MiB, which is not a secret with a token")

// clients makes clients that send the given Vault token, or none, and that may be changed at
// will: each call makes another one.
type clients func(token string) *api.Client

// privateClients derives clients from the user's, and what closes the idle connections below.
//
// The user's client is only read: from it come the address, the namespace and the other
// headers, and the transport. Clone is no help here: it makes a client whose token, headers
// and address may come from VAULT_TOKEN, VAULT_HEADERS and VAULT_AGENT_ADDR.
func privateClients(client *api.Client, namespace *string) (clients, func(), error) {
	cfg := client.CloneConfig()
	cfg.Address, cfg.AgentAddress = client.Address(), ""
	below := *cfg.HttpClient
	cfg.HttpClient.Transport = guard{cfg.HttpClient.Transport}
	cfg.HttpClient.Jar = nil
	cfg.ReadYourWrites = false
	// One request is one request: who calls the provider decides when it asks again.
	cfg.CheckRetry = func(context.Context, *http.Response, error) (bool, error) { return false, nil }
	// The provider's own context bounds every request.
	cfg.Timeout = 0

	base, err := api.NewClient(cfg)
	if err != nil {
		return nil, nil, settingError("the Vault client cannot be derived: %v", withoutURL(err))
	}
	headers := client.Headers()
	if headers == nil {
		headers = http.Header{} // the Vault client writes into it
	}
	base.SetHeaders(headers)
	if namespace != nil {
		base.ClearNamespace()
		if *namespace != "" {
			base.SetNamespace(*namespace)
		}
	}
	// With VAULT_WRAP_TTL set the default would have every answer wrapped.
	base.SetWrappingLookupFunc(func(string, string) string { return "" })

	return func(token string) *api.Client {
		c := base.WithNamespace(base.Namespace())
		c.SetToken(token)
		return c
	}, below.CloseIdleConnections, nil
}

// guard refuses what would carry a Vault token elsewhere or fill the memory: redirects and
// endless bodies. It is a RoundTripper, so that login methods of the user's own are under it
// too. It has no CloseIdleConnections: the Vault client would call that after each failure,
// and the connections below are the user's too.
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

// target names where a redirect goes without its path and query.
func target(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil || to.Host == "" {
		return "nowhere"
	}
	return to.Scheme + "://" + to.Host
}

// boundedBody fails, where an io.LimitReader would end as if that were all.
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

// checkAddress refuses an address that Vault cannot be at.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return settingError("the address of Vault is not a URL: %v", withoutURL(err))
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return settingError("the address of Vault is %q: it must be like https://vault.example.com:8200", u.Redacted())
	}
	return nil
}

// publicAddress is the client's address as errors may show it.
func publicAddress(client *api.Client) string {
	u, err := url.Parse(client.Address())
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s://%s", u.Scheme, u.Host)
}

// withoutURL strips err of the URL that failed to parse, which may hold a password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
