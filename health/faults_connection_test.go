//go:build !mutation

package health_test

import (
	"net"
	"strings"
	"testing"
	"time"
)

func brokenConnections() []fault {
	const (
		wasReset = "the connection was reset"
		wasCut   = "the connection was closed before the answer was complete"
		bodyCut  = "the body is cut short"
		notHTTP  = `malformed HTTP response "…"`
	)
	whole := rawAnswer(200, jsonType, goodAccount)
	head, _, _ := strings.Cut(whole, "\n\n")
	halfHead := "HTTP/1.1 200 OK\nContent-Type: appl"
	halfBody := head + "\n\n" + `{"id":"1","bal`
	tooLong := strings.Replace(head, "Content-Length: ", "Content-Length: 1", 1) + "\n\n" + goodAccount
	halfChunk := "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n40\r\n" + `{"id":"1"}`
	slowHeader := drips("HTTP/1.1 200 OK\nX-Slow: ", "a", 20*time.Millisecond)
	slowBody := drips(head+"\n\n", goodAccount, 50*time.Millisecond)
	resetAtOnce := func(conn net.Conn, _ <-chan struct{}) { resetConn(conn) }
	return []fault{
		unavailableBy("connection refused", "connection refused", (*faultWorld).refuse),
		unavailableBy("reset on accept", wasReset, says(resetAtOnce)),
		unavailableBy("reset before the headers", wasReset, says(cutAfter("", true))),
		unavailableBy("closed before the headers", wasCut, says(cutAfter("", false))),
		// To net/http the headers end where the connection does, whatever the reason.
		unavailableBy("reset in the headers", wasCut, says(cutAfter(halfHead, true))),
		unavailableBy("closed in the headers", wasCut, says(cutAfter(halfHead, false))),
		unavailableBy("closed in the name of a header", "what it sent is not HTTP, or was cut off",
			says(cutAfter("HTTP/1.1 200 OK\nContent-Ty", false))),
		unavailableBy("reset in the body", wasReset, says(cutAfter(halfBody, true))),
		malformedBy("body cut short", bodyCut, says(cutAfter(halfBody, false))),
		malformedBy("body cut short after the account", bodyCut, says(cutAfter(tooLong, false))),
		malformedBy("chunked body cut short", bodyCut, says(cutAfter(halfChunk, false))),
		unavailableBy("black hole", tooSlow, says(silence)),
		unavailableBy("black hole, own transport", tooSlow, says(silence)).onOwnTransport(),
		unavailableBy("reset, own transport", wasReset, says(cutAfter("", true))).onOwnTransport(),
		unavailableBy("slow headers", tooSlow, says(slowHeader)),
		unavailableBy("slow body", tooSlow, says(slowBody)),
		unavailableBy("SSH server", notHTTP, says(sends("SSH-2.0-OpenSSH_9.2\r\n"))),
		unavailableBy("TLS server", notHTTP, says(sends("\x15\x03\x01\x00\x02\x02\x28"))),
	}
}

func brokenNames() []fault {
	names := func(mode int32) func(*faultWorld) {
		return func(w *faultWorld) { w.names.mode.Store(mode) }
	}
	return []fault{
		unavailableBy("DNS/unknown host", "DNS knows no host platform.test", names(namesUnknown)).onTLS(),
		unavailableBy("DNS/failure", "DNS fails for platform.test", names(namesFail)).onTLS(),
		unavailableBy("DNS/no answer", tooSlow, names(namesSilent)).onTLS(),
	}
}

func brokenTLS(t testing.TB) []fault {
	good := answers(200, jsonType, goodAccount)
	shows := func(stranger *authority, name string, begin, end time.Duration) func(*faultWorld) {
		return func(w *faultWorld) {
			signs := stranger
			if signs == nil {
				signs = w.authority
			}
			now := time.Now()
			w.talkRaw(overTLS(signs.server(t, name, now.Add(begin), now.Add(end)), good))
		}
	}
	raw := func(c conversation) func(*faultWorld) { return func(w *faultWorld) { w.talkRaw(c) } }
	resetAtOnce := func(conn net.Conn, _ <-chan struct{}) { resetConn(conn) }
	other := newAuthority(t)
	var all []fault
	for _, f := range []fault{
		unavailableBy("TLS/unknown authority", "signed by an authority that this machine does not know",
			shows(other, "platform.test", -time.Hour, time.Hour)),
		unavailableBy("TLS/expired", "its certificate has expired",
			shows(nil, "platform.test", -2*time.Hour, -time.Hour)),
		unavailableBy("TLS/not valid yet", "its certificate has expired or is not valid yet",
			shows(nil, "platform.test", time.Hour, 2*time.Hour)),
		unavailableBy("TLS/other name", "its certificate is for another host name",
			shows(nil, "elsewhere.test", -time.Hour, time.Hour)),
		unavailableBy("TLS/plain HTTP", "it does not speak TLS", raw(notTLS)),
		unavailableBy("TLS/no answer", tooSlow, raw(silence)),
		unavailableBy("TLS/reset", "the connection was reset (127.0.0.1:", raw(resetAtOnce)),
	} {
		all = append(all, f.onTLS())
	}
	return all
}

// notTLS answers a handshake as a server of plain HTTP does.
func notTLS(conn net.Conn, _ <-chan struct{}) {
	_, _ = conn.Read(make([]byte, 1024))
	send(conn, rawAnswer(400, "Content-Type: text/html\n",
		"<html>The plain HTTP request was sent to HTTPS port</html>"))
}

func brokenHTTP2(t testing.TB) []fault {
	frames := func(frames ...[]byte) func(*faultWorld) {
		return func(w *faultWorld) {
			now := time.Now()
			config := w.authority.server(t, "platform.test", now.Add(-time.Hour), now.Add(time.Hour), "h2")
			w.talkRaw(overTLS(config, speaksHTTP2(frames...)))
		}
	}
	code := func(n byte) []byte { return []byte{0, 0, 0, n} }
	goAway := func(last, n byte) []byte {
		return http2Frame(http2GoAway, 0, 0, append([]byte{0, 0, 0, last}, code(n)...))
	}
	reset := func(n byte) []byte { return http2Frame(http2Reset, 0, 1, code(n)) }
	return []fault{
		unavailableBy("HTTP2/goes away", tooSlow, frames(goAway(0, 0))).onHTTP2(true),
		unavailableBy("HTTP2/stream refused", tooSlow, frames(reset(7))).onHTTP2(true),
		unavailableBy("HTTP2/goes away in the request",
			"http2: server sent GOAWAY and closed the connection",
			frames(goAway(1, 2), nil)).onHTTP2(false),
		unavailableBy("HTTP2/stream reset", "stream error: stream ID", frames(reset(2))).onHTTP2(true),
		unavailableBy("HTTP2/protocol error", "connection error: PROTOCOL_ERROR",
			frames(http2Frame(http2Settings, 0, 7, nil))).onHTTP2(false),
	}
}
