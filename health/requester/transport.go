package requester

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// maxHeader bounds the headers of an answer. The platform's have less than 2 KiB; the default
// bound of net/http is 1 MiB.
const maxHeader = 64 << 10

// transportFor returns the transport of the calls: the user's, or one of our own.
func transportFor(base *url.URL, user http.RoundTripper) http.RoundTripper {
	var own *http.Transport
	if user == nil {
		own = newTransport(newDialer())
	} else if t, ok := user.(*http.Transport); ok && base.Scheme == "http" {
		own = t.Clone()
		own.DisableKeepAlives = true // nothing would close the idle connections of a copy
	}
	if own == nil {
		return user
	}
	if base.Scheme == "http" {
		own.Proxy = nil
		own.DialContext = loopbackOnly(dialOf(own))
	}
	return own
}

func newTransport(d *dialer) *http.Transport {
	// HTTP/2's debug output (GODEBUG=http2debug=2) prints the Authorization header.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: refusedByProxy,
		DialContext:            endWithCall(d.DialContext),
		DisableCompression:     true,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxHeader,
		Protocols:              &protocols,
	}
}

func dialOf(t *http.Transport) dialFunc {
	if t.DialContext != nil {
		return t.DialContext
	}
	//lint:ignore SA1019 A transport that was set up with Dial must keep using it.
	if dial := t.Dial; dial != nil { //nolint:staticcheck // likewise, for golangci-lint
		return func(_ context.Context, network, addr string) (net.Conn, error) {
			return dial(network, addr)
		}
	}
	return endWithCall(newDialer().DialContext)
}

// refusedByProxy keeps the proxy's status: the error of net/http has only its text.
func refusedByProxy(
	_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response,
) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{host: proxy.Host, status: answer.StatusCode} // Host has no password in it
}

// proxyError says that a proxy does not connect to the platform.
type proxyError struct {
	host   string
	status int
}

func (e *proxyError) Error() string {
	text := fmt.Sprintf("the proxy %s answered %d to CONNECT", e.host, e.status)
	if e.class() == Misdirected {
		text += ": check HTTPS_PROXY and NO_PROXY, and that the proxy lets this service " +
			"connect to the platform"
	}
	return text
}

// class is Misdirected for what does not pass by itself. No answer of a proxy says anything
// about the token: the proxy has not seen it.
func (e *proxyError) class() Class {
	switch class := classOfStatus(e.status); class {
	case RateLimited, Malformed:
		return Unavailable
	case Rejected:
		return Misdirected
	default:
		return class
	}
}
