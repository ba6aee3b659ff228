package requester

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxHeader bounds what a server can make the client hold before the body; the
	// platform's headers have less than 2 KiB, net/http's own bound is 1 MiB.
	maxHeader = 64 << 10
)

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// transportFor chooses what carries the calls.
func transportFor(base *url.URL, user http.RoundTripper, timeout time.Duration) http.RoundTripper {
	var own *http.Transport
	if user == nil {
		own = newTransport(timeout)
	} else if t, ok := user.(*http.Transport); ok && base.Scheme == "http" {
		own = t.Clone()
		own.DisableKeepAlives = true // nobody could close what a copy keeps
	}
	if own == nil {
		return user
	}
	if base.Scheme == "http" {
		own.Proxy = nil
		own.DialContext = loopbackOnly(dialerOf(own))
	}
	return own
}

func newTransport(timeout time.Duration) *http.Transport {
	// HTTP/2's debug output (GODEBUG=http2debug=2) prints the Authorization header.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	// The call's own timeout does not end a connection attempt, which net/http finishes in
	// the background for the next call to use. Twice as much leaves it to the call to time
	// out first, and to say so.
	attempt := 2 * min(timeout, time.Hour)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: refusedByProxy,
		DialContext:            (&net.Dialer{Timeout: attempt}).DialContext,
		TLSHandshakeTimeout:    attempt,
		DisableCompression:     true,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxHeader,
		Protocols:              &protocols,
	}
}

// refusedByProxy keeps what a proxy said of the tunnel: net/http's own error has only the words of the status.
func refusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{host: proxy.Host, status: answer.StatusCode} // Host has no password in it
}

// proxyError says that a proxy makes no connection to the platform.
type proxyError struct {
	host   string
	status int
}

func (e *proxyError) Error() string {
	text := fmt.Sprintf("the proxy %s answered %d to CONNECT", e.host, e.status)
	if e.class() == Misdirected {
		text += ": check HTTPS_PROXY and NO_PROXY, and that the proxy knows this service and lets it through to the platform"
	}
	return text
}

// class is Misdirected where waiting does not help. Nothing that a proxy says is about the token: it has not seen it.
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

func dialerOf(t *http.Transport) dialFunc {
	if t.DialContext != nil {
		return t.DialContext
	}
	//lint:ignore SA1019 A transport that was set up with Dial must go on using it.
	if dial := t.Dial; dial != nil {
		return func(_ context.Context, network, addr string) (net.Conn, error) { return dial(network, addr) }
	}
	return (&net.Dialer{}).DialContext
}

// loopbackOnly refuses a connection that leads off this machine before a byte is sent:
// "localhost" is only a name, and may resolve to anything.
func loopbackOnly(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			conn.Close()
			return nil, &notLoopbackError{host: addr, ip: tcp.IP}
		}
		return conn, nil
	}
}

type notLoopbackError struct {
	host string
	ip   net.IP
}

func (e *notLoopbackError) Error() string {
	return fmt.Sprintf("%s is %s, which is not a loopback address: plain http is for this machine only", e.host, e.ip)
}
