//go:build !mutation

package health_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A fault is what can go wrong between the checker and the platform, and what the design says that it means.
type fault struct {
	name  string
	means faultClass
	says  string // what the log has to say of it
	arm   func(*faultWorld)

	https bool
	http2 bool
	gzip  bool          // a transport that unpacks
	own   bool          // the client's own transport
	hold  time.Duration // of a 429: how long nothing may be asked, with a MaxStale of 20 s
	again bool          // net/http itself may try again, on another connection
}

type faultClass uint8

const (
	meansVerified faultClass = iota
	meansRejected
	meansLimited
	meansUnavailable
	meansMalformed
	meansMisdirected
)

func says(c conversation) func(*faultWorld) {
	return func(w *faultWorld) { w.talk(c) }
}

func platformSays(status int, code string) func(*faultWorld) {
	return says(answers(status, jsonType, `{"request_id":"r-1","code":"`+code+`","message":"no"}`))
}

func pageSays(status int) func(*faultWorld) {
	return says(answers(status, "Content-Type: text/html\n", "<html><body>A page from the way.</body></html>"))
}

func accountSays(body string) func(*faultWorld) { return says(answers(200, jsonType, body)) }

// allFaults is the matrix. elsewhere is a server that no redirect may lead to.
func allFaults(t testing.TB, elsewhere string) []fault {
	var all []fault
	for _, part := range [][]fault{
		brokenConnections(), brokenNames(), brokenTLS(t), brokenHTTP2(t), brokenAnswers(t), oddAccounts(), refusals(), rateLimits(), otherStatuses(elsewhere),
	} {
		all = append(all, part...)
	}
	return all
}

func brokenConnections() []fault {
	whole := rawAnswer(200, jsonType, goodAccount)
	head, _, _ := strings.Cut(whole, "\n\n")
	return []fault{
		{name: "the connection is refused", means: meansUnavailable, says: "connection refused", arm: func(w *faultWorld) { w.dialTo(closedPort()) }},
		{name: "the connection is reset when it is made", means: meansUnavailable, says: "the connection was reset", arm: says(func(conn net.Conn, _ <-chan struct{}) { resetConn(conn) })},
		{name: "the connection is reset before the headers", means: meansUnavailable, says: "the connection was reset", arm: says(cutAfter("", true))},
		{name: "the connection is closed before the headers", means: meansUnavailable, says: "the connection was closed before the answer was complete", arm: says(cutAfter("", false))},
		// net/http has it that headers end where the connection does, whatever the reason.
		{name: "the connection is reset in the headers", means: meansUnavailable, says: "the connection was closed before the answer was complete", arm: says(cutAfter("HTTP/1.1 200 OK\nContent-Type: appl", true))},
		{name: "the connection is closed in the headers", means: meansUnavailable, says: "the connection was closed before the answer was complete", arm: says(cutAfter("HTTP/1.1 200 OK\nContent-Type: appl", false))},
		{name: "the connection is closed in the name of a header", means: meansUnavailable, says: "what it sent is not HTTP, or was cut off", arm: says(cutAfter("HTTP/1.1 200 OK\nContent-Ty", false))},
		{name: "the connection is reset in the body", means: meansUnavailable, says: "the connection was reset", arm: says(cutAfter(head+"\n\n"+`{"id":"1","bal`, true))},
		{name: "the body is cut short", means: meansMalformed, says: "the body is cut short", arm: says(cutAfter(head+"\n\n"+`{"id":"1","bal`, false))},
		{name: "the body is cut short after the whole account", means: meansMalformed, says: "the body is cut short", arm: says(cutAfter(strings.Replace(head, "Content-Length: ", "Content-Length: 1", 1)+"\n\n"+goodAccount, false))},
		{name: "a chunked body is cut short", means: meansMalformed, says: "the body is cut short", arm: says(cutAfter("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n40\r\n"+`{"id":"1"}`, false))},
		{name: "a black hole for the client's own transport", own: true, means: meansUnavailable, says: "not within 600ms", arm: says(silence)},
		{name: "a reset for the client's own transport", own: true, means: meansUnavailable, says: "the connection was reset", arm: says(cutAfter("", true))},
		{name: "a black hole", means: meansUnavailable, says: "not within 600ms", arm: says(silence)},
		{name: "the headers come slowly", means: meansUnavailable, says: "not within 600ms", arm: says(drips("HTTP/1.1 200 OK\nX-Slow: ", "a", 20*time.Millisecond))},
		{name: "the body drips", means: meansUnavailable, says: "not within 600ms", arm: says(drips(head+"\n\n", goodAccount, 50*time.Millisecond))},
		{name: "what answers does not speak HTTP", means: meansUnavailable, says: `malformed HTTP response "…"`, arm: says(sends("SSH-2.0-OpenSSH_9.2\r\n"))},
		{name: "what answers speaks TLS", means: meansUnavailable, says: `malformed HTTP response "…"`, arm: says(sends("\x15\x03\x01\x00\x02\x02\x28"))},
	}
}

func brokenNames() []fault {
	names := func(mode int32) func(*faultWorld) { return func(w *faultWorld) { w.names.mode.Store(mode) } }
	return []fault{
		{name: "DNS knows no such host", https: true, means: meansUnavailable, says: "DNS knows no host platform.test", arm: names(namesUnknown)},
		{name: "DNS fails", https: true, means: meansUnavailable, says: "DNS fails for platform.test", arm: names(namesFail)},
		{name: "DNS does not answer", https: true, means: meansUnavailable, says: "not within 600ms", arm: names(namesSilent)},
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
			w.talkRaw(overTLS(signs.server(t, name, time.Now().Add(begin), time.Now().Add(end)), good))
		}
	}
	other := newAuthority(t)
	return []fault{
		{name: "the certificate is of an unknown authority", https: true, means: meansUnavailable, says: "signed by an authority that this machine does not know", arm: shows(other, "platform.test", -time.Hour, time.Hour)},
		{name: "the certificate has expired", https: true, means: meansUnavailable, says: "its certificate has expired", arm: shows(nil, "platform.test", -2*time.Hour, -time.Hour)},
		{name: "the certificate is not valid yet", https: true, means: meansUnavailable, says: "its certificate has expired or is not valid yet", arm: shows(nil, "platform.test", time.Hour, 2*time.Hour)},
		{name: "the certificate is of another name", https: true, means: meansUnavailable, says: "its certificate is for another host name", arm: shows(nil, "elsewhere.test", -time.Hour, time.Hour)},
		{name: "the server does not speak TLS", https: true, means: meansUnavailable, says: "it does not speak TLS", arm: func(w *faultWorld) { w.talkRaw(notTLS) }},
		{name: "the handshake gets no answer", https: true, means: meansUnavailable, says: "not within 600ms", arm: func(w *faultWorld) { w.talkRaw(silence) }},
		{name: "the handshake is reset", https: true, means: meansUnavailable, says: "the connection was reset (127.0.0.1:", arm: func(w *faultWorld) { w.talkRaw(func(conn net.Conn, _ <-chan struct{}) { resetConn(conn) }) }},
	}
}

// notTLS answers a handshake as a server of plain HTTP does.
func notTLS(conn net.Conn, _ <-chan struct{}) {
	_, _ = conn.Read(make([]byte, 1024))
	send(conn, rawAnswer(400, "Content-Type: text/html\n", "<html>The plain HTTP request was sent to HTTPS port</html>"))
}

func brokenHTTP2(t testing.TB) []fault {
	frames := func(frames ...[]byte) func(*faultWorld) {
		return func(w *faultWorld) {
			config := w.authority.server(t, "platform.test", time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "h2")
			w.talkRaw(overTLS(config, speaksHTTP2(frames...)))
		}
	}
	code := func(n byte) []byte { return []byte{0, 0, 0, n} }
	goAway := func(last, n byte) []byte {
		return http2Frame(http2GoAway, 0, 0, append([]byte{0, 0, 0, last}, code(n)...))
	}
	return []fault{
		// These two net/http tries again by itself, until the time is up.
		{name: "an HTTP/2 server goes away", http2: true, again: true, means: meansUnavailable, says: "not within 600ms", arm: frames(goAway(0, 0))},
		{name: "an HTTP/2 server refuses the stream", http2: true, again: true, means: meansUnavailable, says: "not within 600ms", arm: frames(http2Frame(http2Reset, 0, 1, code(7)))},
		{name: "an HTTP/2 server goes away in the middle of the request", http2: true, means: meansUnavailable, says: "http2: server sent GOAWAY and closed the connection", arm: frames(goAway(1, 2), nil)},
		{name: "an HTTP/2 server resets the stream", http2: true, again: true, means: meansUnavailable, says: "stream error: stream ID", arm: frames(http2Frame(http2Reset, 0, 1, code(2)))},
		{name: "an HTTP/2 server breaks the protocol", http2: true, means: meansUnavailable, says: "connection error: PROTOCOL_ERROR", arm: frames(http2Frame(http2Settings, 0, 7, nil))},
	}
}

func brokenAnswers(t testing.TB) []fault {
	malformed := func(name, says, body string) fault {
		return fault{name: name, means: meansMalformed, says: says, arm: accountSays(body)}
	}
	bomb := gzipped(t, `{"id":"1","padding":"`+strings.Repeat(" ", 50<<20)+`"}`)
	return []fault{
		{name: "200 with a login page", means: meansMalformed, says: "the body is HTML, not JSON", arm: pageSays(200)},
		malformed("200 with an empty body", "the body is empty", ""),
		malformed("200 with blanks", "the body is empty", " \r\n\t"),
		malformed("200 with null", "the body is not a JSON object", "null"),
		malformed("200 with a list", "the body is not a JSON object", "[]"),
		malformed("200 with a list of the account", "the body is not a JSON object", "["+goodAccount+"]"),
		malformed("200 with a string", "the body is not a JSON object", `"1"`),
		malformed("200 with text", "the body is not JSON", "it works"),
		malformed("200 with half of the JSON", "the body is cut short", `{"id":"1","balance":`),
		malformed("200 with two accounts", "the body goes on after the JSON object", goodAccount+goodAccount),
		malformed("200 without an id", `the JSON object has no member "id"`, `{"balance":121.3}`),
		malformed("200 with an ID in capitals", `the JSON object has no member "id"`, `{"ID":"1"}`),
		malformed("200 with two ids", `the JSON object has more than one member "id"`, `{"id":"1","id":"1"}`),
		malformed("200 with two ids, one of them escaped", `the JSON object has more than one member "id"`, `{"id":"1","\u0069d":"2"}`),
		malformed("200 with a number for an id", `the member "id" is not a string`, `{"id":1}`),
		malformed("200 with null for an id", `the member "id" is not a string`, `{"id":null}`),
		malformed("200 with an object for an id", `the member "id" is not a string`, `{"id":{"id":"1"}}`),
		malformed("200 with an empty id", `the member "id" is empty`, `{"id":""}`),
		malformed("200 with huge JSON", "the body is longer than 64 KiB", `{"id":"1","padding":"`+strings.Repeat("x", 65<<10)+`"}`),
		malformed("200 with deeply nested JSON", "the body is not JSON", `{"id":"1","deep":`+strings.Repeat("[", 30<<10)+strings.Repeat("]", 30<<10)+`}`),
		malformed("200 with the platform's error object", `the JSON object has no member "id"`, `{"request_id":"r","code":"INTERNAL_ERROR","message":"m"}`),
		{name: "200 with a gzip bomb that nobody asked for", means: meansMalformed, says: "the body is longer than 64 KiB", arm: says(answers(200, "Content-Encoding: gzip\n"+jsonType, bomb))},
		{name: "200 with a gzip bomb for the client's own transport", own: true, means: meansMalformed, says: "the body is longer than 64 KiB", arm: says(answers(200, "Content-Encoding: gzip\n"+jsonType, bomb))},
		{name: "200 with a gzip bomb that the service's transport unpacks", gzip: true, means: meansMalformed, says: "the body is longer than 64 KiB", arm: says(answers(200, "Content-Encoding: gzip\n"+jsonType, bomb))},
		{name: "200 with an endless body", means: meansMalformed, says: "the body is longer than 64 KiB", arm: says(endless)},
		{name: "200 with oversized headers", own: true, means: meansUnavailable, says: "server response headers exceeded", arm: says(answers(200, "X-Big: "+strings.Repeat("x", 70<<10)+"\n", goodAccount))},
		{name: "a flood of early hints", own: true, means: meansUnavailable, says: "server response headers exceeded", arm: says(hints)},
		{name: "101, which nobody asked for", means: meansMisdirected, says: "answered 101", arm: says(sends("HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: websocket\n\n"))},
		{name: "201 with the account", means: meansMalformed, says: "answered 201", arm: says(answers(201, jsonType, goodAccount))},
		{name: "204", means: meansMalformed, says: "answered 204", arm: says(answers(204, "", ""))},
		{name: "206 with the account", means: meansMalformed, says: "answered 206", arm: says(answers(206, jsonType, goodAccount))},
	}
}

// endless writes JSON until nobody reads it any more.
func endless(conn net.Conn, gone <-chan struct{}) {
	afterRequest(func(conn net.Conn, gone <-chan struct{}) {
		send(conn, "HTTP/1.1 200 OK\nConnection: close\n\n"+`{"id":"1","padding":"`)
		junk := bytes.Repeat([]byte("x"), 16<<10)
		for {
			select {
			case <-gone:
				return
			default:
			}
			if _, err := conn.Write(junk); err != nil {
				return
			}
		}
	})(conn, gone)
}

// hints sends provisional answers until nobody reads them any more.
func hints(conn net.Conn, gone <-chan struct{}) {
	afterRequest(func(conn net.Conn, gone <-chan struct{}) {
		hint := strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n", 100)
		for {
			select {
			case <-gone:
				return
			default:
			}
			if _, err := io.WriteString(conn, hint); err != nil {
				return
			}
		}
	})(conn, gone)
}

func gzipped(t testing.TB, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func oddAccounts() []fault {
	var all []fault
	for name, body := range map[string]string{
		"a balance of 1e999999999":      `{"id":"1","balance":1e999999999}`,
		"a balance of -1e999999999":     `{"id":"1","balance":-1e999999999}`,
		"a balance of 1e-999999999":     `{"id":"1","balance":1e-999999999}`,
		"a balance that is not finite":  `{"id":"1","balance":NaN}`,
		"an infinite balance":           `{"id":"1","balance":-Infinity}`,
		"a balance in a string":         `{"id":"1","balance":"121.3"}`,
		"a negative balance":            `{"id":"1","balance":-3.5}`,
		"a balance of null":             `{"id":"1","balance":null}`,
		"a balance that is a list":      `{"id":"1","balance":[1]}`,
		"two balances":                  `{"id":"1","balance":1,"balance":2}`,
		"a balance of 60 digits":        `{"id":"1","balance":` + strings.Repeat("9", 60) + `}`,
		"a byte order mark before it":   "\xef\xbb\xbf" + goodAccount,
		"members that nobody knows":     `{"id":"1","new":{"id":2,"ID":3},"ID":"2","Id":"3"}`,
		"names that are no names":       `{"id":"1","public_name":["Jack"],"company":"ACME"}`,
		"two companies":                 `{"id":"1","company":{"id":"1"},"company":{"id":"2"}}`,
		"another Content-Type":          goodAccount,
		"an account of exactly 64 KiB":  `{"id":"1","padding":"` + strings.Repeat("x", 64<<10-len(`{"id":"1","padding":""}`)) + `"}`,
		"line breaks and blanks around": "\r\n\t " + goodAccount + "\n\n",
	} {
		f := fault{name: "200 with " + name, means: meansVerified, arm: accountSays(body)}
		if name == "another Content-Type" {
			f.arm = says(answers(200, "Content-Type: text/plain\n", body))
		}
		all = append(all, f)
	}
	return all
}

func refusals() []fault {
	const advice = "generate a new one on the account's Integrations page"
	return []fault{
		{name: "401 in the platform's words", means: meansRejected, says: "answered 401 AUTHENTICATION_ERROR (request_id r-1): the token AAAA…#", arm: platformSays(401, "AUTHENTICATION_ERROR")},
		{name: "401 in the platform's words for OAuth", means: meansRejected, says: "answered 401 OAUTH_AUTHENTICATION_ERROR", arm: platformSays(401, "OAUTH_AUTHENTICATION_ERROR")},
		{name: "401 without a body", means: meansRejected, says: advice, arm: says(answers(401, "", ""))},
		{name: "401 with a line break for a body", means: meansRejected, says: advice, arm: says(answers(401, "", "\r\n"))},
		{name: "403 in the platform's words", means: meansRejected, says: "answered 403 ACCESS_DENIED (request_id r-1)", arm: platformSays(403, "ACCESS_DENIED")},
		{name: "403 without a body", means: meansRejected, says: advice, arm: says(answers(403, "", ""))},
	}
}

func rateLimits() []fault {
	limited := func(headers, body string) func(*faultWorld) { return says(answers(429, headers, body)) }
	date := func(offset time.Duration) string {
		now := time.Now()
		return "Date: " + now.UTC().Format(http.TimeFormat) + "\nRetry-After: " + now.Add(offset).UTC().Format(http.TimeFormat) + "\n"
	}
	quota := func(name string) string {
		return `{"request_id":"r-1","code":"TOO_MANY_REQUESTS","message":"m","payload":{"interval":"` + name + `"}}`
	}
	limit := func(name string, hold time.Duration, headers, body string) fault {
		return fault{name: "429 with " + name, means: meansLimited, says: "answered 429", hold: hold, arm: limited(headers, body)}
	}
	return []fault{
		limit("no hint", time.Second, "", ""),
		limit("a page", time.Second, "Content-Type: text/html\n", "<html>Slow down</html>"),
		limit("0 seconds", time.Second, "Retry-After: 0\n", ""),
		limit("2 seconds", 2*time.Second, "Retry-After: 2\n", ""),
		limit("a year", 10*time.Second, "Retry-After: "+strconv.Itoa(365*24*3600)+"\n", ""),
		limit("more seconds than there are", 10*time.Second, "Retry-After: 99999999999999999999999\n", ""),
		limit("a date", 5*time.Second, date(5*time.Second), ""),
		limit("a date that has passed", time.Second, date(-time.Hour), ""),
		limit("a date in a year", 10*time.Second, date(365*24*time.Hour), ""),
		limit("a negative number", time.Second, "Retry-After: -5\n", ""),
		limit("nonsense", time.Second, "Retry-After: soon\n", ""),
		limit("payload.interval MIN", 10*time.Second, jsonType, quota("MIN")),
		limit("payload.interval DAY", 10*time.Second, jsonType, quota("DAY")),
		limit("payload.interval FORTNIGHT", time.Second, jsonType, quota("FORTNIGHT")),
		limit("both, of which the header counts", 2*time.Second, "Retry-After: 2\n"+jsonType, quota("DAY")),
		limit("a nonsense header and a payload", 10*time.Second, "Retry-After: soon\n"+jsonType, quota("HOUR")),
	}
}

func otherStatuses(elsewhere string) []fault {
	all := []fault{
		{name: "401 from a proxy", means: meansMisdirected, says: "something in front of the platform refuses", arm: pageSays(401)},
		{name: "403 from a firewall", means: meansMisdirected, says: "something in front of the platform refuses", arm: pageSays(403)},
		{name: "403 with somebody else's JSON", means: meansMisdirected, says: "something in front of the platform refuses", arm: says(answers(403, jsonType, `{"error":"forbidden"}`))},
		{name: "403 with a code and no request_id", means: meansMisdirected, says: "something in front of the platform refuses", arm: says(answers(403, jsonType, `{"code":"ACCESS_DENIED"}`))},
		{name: "401 that is cut short", means: meansUnavailable, says: "the connection was closed before the answer was complete", arm: says(cutAfter("HTTP/1.1 401 Unauthorized\nContent-Length: 90\n\n"+`{"request_id":"r"`, false))},
		{name: "400 in the platform's words", means: meansMisdirected, says: "answered 400 VALIDATION_ERROR", arm: platformSays(400, "VALIDATION_ERROR")},
		{name: "404 in the platform's words", means: meansMisdirected, says: "answered 404 DOES_NOT_EXIST", arm: platformSays(404, "DOES_NOT_EXIST")},
		{name: "404 from somebody else", means: meansMisdirected, says: "answered 404", arm: pageSays(404)},
		{name: "409 in the platform's words", means: meansMisdirected, says: "answered 409 CONFLICT_STATE", arm: platformSays(409, "CONFLICT_STATE")},
		{name: "500 in the platform's words", means: meansUnavailable, says: "answered 500 INTERNAL_ERROR (request_id r-1)", arm: platformSays(500, "INTERNAL_ERROR")},
		{name: "503 in the platform's words", means: meansUnavailable, says: "answered 503 REMOTE_SERVICE_UNAVAILABLE", arm: platformSays(503, "REMOTE_SERVICE_UNAVAILABLE")},
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		all = append(all, fault{
			name: strconv.Itoa(status) + " to another host", means: meansMisdirected, says: "redirects are not followed",
			arm: says(answers(status, "Location: http://"+elsewhere+"/api/v1/requester\n", "")),
		}, fault{
			name: strconv.Itoa(status) + " to another host for the client's own transport", own: true, means: meansMisdirected, says: "redirects are not followed",
			arm: says(answers(status, "Location: http://"+elsewhere+"/api/v1/requester\n", "")),
		})
	}
	for _, status := range []int{300, 304, 400, 405, 407, 409, 410, 418, 426, 451} {
		all = append(all, fault{name: strconv.Itoa(status) + " with nothing", means: meansMisdirected, says: "answered " + strconv.Itoa(status), arm: says(answers(status, "", ""))})
	}
	for _, status := range []int{408, 500, 501, 502, 503, 504, 599} {
		all = append(all, fault{name: strconv.Itoa(status) + " with a page", means: meansUnavailable, says: "answered " + strconv.Itoa(status), arm: pageSays(status)})
	}
	return all
}
