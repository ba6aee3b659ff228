package requester

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"syscall"
)

// errTimeout is the cause of a call's end by the client's own timeout.
var errTimeout = errors.New("requester: timeout")

// TransportError is the error of a call without a complete answer. Its text names the server and
// the cause, and shows nothing of the token or the answer.
//
// The cause is available to errors.Is and errors.As: syscall.ECONNREFUSED, *net.DNSError,
// *tls.CertificateVerificationError; os.ErrDeadlineExceeded after the client's own timeout;
// context.Canceled or context.DeadlineExceeded after the end of the caller's context. A cause
// whose text contains the token is left out.
type TransportError struct {
	class  Class
	server string
	reason string
	cause  error
}

// Class returns [Cancelled] if the caller's context ended, [Misdirected] if the environment's
// proxy refused the connection (by 407 or 403, for example), else [Unavailable].
func (e *TransportError) Class() Class {
	if e.class != 0 {
		return e.class
	}
	return Unavailable
}

// Error says which server did not answer, and why.
func (e *TransportError) Error() string {
	reason := e.reason
	if reason == "" {
		reason = "it cannot be reached"
	}
	return "requester: no answer from " + serverOr(e.server) + ": " + reason
}

// Unwrap returns the cause, or nil.
func (e *TransportError) Unwrap() error { return e.cause }

// failure makes the TransportError of a call that ended with err.
func (x *exchange) failure(err error) *TransportError {
	e := &TransportError{class: Unavailable, server: x.client.base.String()}
	switch {
	case x.caller.Err() != nil:
		e.class = Cancelled
		e.cause = x.caller.Err()
		e.reason = "the caller cancelled the call: " + e.cause.Error()
	case x.call != nil && errors.Is(context.Cause(x.call), errTimeout):
		e.cause = os.ErrDeadlineExceeded
		e.reason = fmt.Sprintf("not within %v", x.client.timeout)
	default:
		var proxy *proxyError
		if errors.As(err, &proxy) {
			e.class = proxy.class()
		}
		e.reason = x.redact.clean(x.reasonOf(err))
		if text := err.Error(); x.redact(text) == text {
			e.cause = err
		}
	}
	return e
}

// reasonOf describes the common causes with a hint where to look. The texts of net/http quote what
// the server sent, so other causes are shown without their quotations.
func (x *exchange) reasonOf(err error) string {
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		roots     x509.SystemRootsError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		protocol  textproto.ProtocolError
		notLocal  *notLoopbackError
		proxy     *proxyError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &notLocal):
		return notLocal.Error()
	case errors.As(err, &proxy):
		return proxy.Error()
	case errors.As(err, &dns):
		return dnsReason(dns)
	case errors.As(err, &authority):
		return "its certificate is signed by an authority that this machine does not know: " +
			"check for a proxy that opens TLS, and that CA certificates are installed"
	case errors.As(err, &roots):
		return "this machine has no CA certificates: install them (ca-certificates)"
	case errors.As(err, &name):
		return "its certificate is for another host name: " +
			"check the base URL and any proxy in between"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet: check this machine's clock"
	case errors.As(err, &invalid):
		return "its certificate is not valid"
	case errors.As(err, &record):
		return "it does not speak TLS: check the base URL and any proxy in between"
	case errors.As(err, &protocol):
		return "what it sent is not HTTP, or was cut off"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused" + peerOf(err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset" + peerOf(err)
	case isCut(err), errors.Is(err, io.EOF):
		return "the connection was closed before the answer was complete"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the connection timed out" + peerOf(err)
	default:
		// Redact first: a quotation may begin or end inside the token.
		return withoutQuotes(x.redact(err.Error()))
	}
}

func dnsReason(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return "DNS knows no host " + err.Name
	case err.IsTimeout:
		return "DNS does not answer for " + err.Name
	default:
		return "DNS fails for " + err.Name
	}
}

// peerOf names the address at the other end, which can be a proxy's.
func peerOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return " (" + op.Addr.String() + ")"
	}
	return ""
}

func isCut(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

// withoutQuotes replaces the quoted Go strings in s.
func withoutQuotes(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, `"`)
		b.WriteString(before)
		if !found {
			break
		}
		b.WriteString(`"…"`)
		s = afterQuote(rest)
	}
	return b.String()
}

// afterQuote returns what follows the closing quote of the Go string that s continues.
func afterQuote(s string) string {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[i+1:]
		}
	}
	return ""
}
