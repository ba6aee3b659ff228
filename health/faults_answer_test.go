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

func platformSays(status int, code string) func(*faultWorld) {
	return says(answers(status, jsonType, `{"request_id":"r-1","code":"`+code+`","message":"no"}`))
}

func pageSays(status int) func(*faultWorld) {
	return says(answers(status, "Content-Type: text/html\n", "<html><body>A page.</body></html>"))
}

func accountSays(body string) func(*faultWorld) { return says(answers(200, jsonType, body)) }

func brokenAnswers(t testing.TB) []fault {
	const (
		notJSON  = "the body is not JSON"
		noObject = "the body is not a JSON object"
		empty    = "the body is empty"
		tooLong  = "the body is longer than 64 KiB"
		noID     = `the JSON object has no member "id"`
		twoIDs   = `the JSON object has more than one member "id"`
		noString = `the member "id" is not a string`
		bigHead  = "server response headers exceeded"
	)
	var all []fault
	for _, tt := range []struct{ name, says, body string }{
		{"empty body", empty, ""},
		{"blanks", empty, " \r\n\t"},
		{"null", noObject, "null"},
		{"list", noObject, "[]"},
		{"list of the account", noObject, "[" + goodAccount + "]"},
		{"string", noObject, `"1"`},
		{"text", notJSON, "it works"},
		{"half of the JSON", "the body is cut short", `{"id":"1","balance":`},
		{"two accounts", "the body goes on after the JSON object", goodAccount + goodAccount},
		{"no id", noID, `{"balance":121.3}`},
		{"ID in capitals", noID, `{"ID":"1"}`},
		{"two ids", twoIDs, `{"id":"1","id":"1"}`},
		{"two ids, one of them escaped", twoIDs, `{"id":"1","\u0069d":"2"}`},
		{"id is a number", noString, `{"id":1}`},
		{"id is null", noString, `{"id":null}`},
		{"id is an object", noString, `{"id":{"id":"1"}}`},
		{"id is empty", `the member "id" is empty`, `{"id":""}`},
		{"huge JSON", tooLong, `{"id":"1","padding":"` + strings.Repeat("x", 65<<10) + `"}`},
		{"deeply nested JSON", notJSON, `{"id":"1","deep":` + strings.Repeat("[", 30<<10) +
			strings.Repeat("]", 30<<10) + `}`},
		{"error object", noID, `{"request_id":"r","code":"INTERNAL_ERROR","message":"m"}`},
	} {
		all = append(all, malformedBy("200/"+tt.name, tt.says, accountSays(tt.body)))
	}
	bomb := says(answers(200, "Content-Encoding: gzip\n"+jsonType,
		gzipped(t, `{"id":"1","padding":"`+strings.Repeat(" ", 50<<20)+`"}`)))
	bigHeader := says(answers(200, "X-Big: "+strings.Repeat("x", 70<<10)+"\n", goodAccount))
	upgrade := says(sends("HTTP/1.1 101 Switching Protocols\n" +
		"Connection: upgrade\nUpgrade: websocket\n\n"))
	unpacked := malformedBy("200/gzip bomb, unpacked", tooLong, bomb)
	unpacked.gzip = true
	return append(all,
		malformedBy("200/login page", "the body is HTML, not JSON", pageSays(200)),
		malformedBy("200/gzip bomb", tooLong, bomb),
		malformedBy("200/gzip bomb, own transport", tooLong, bomb).onOwnTransport(),
		unpacked,
		malformedBy("200/endless body", tooLong, says(endless)),
		unavailableBy("200/oversized headers", bigHead, bigHeader).onOwnTransport(),
		unavailableBy("103/flood", bigHead, says(hints)).onOwnTransport(),
		misdirectedBy("101", "answered 101", upgrade),
		malformedBy("201", "answered 201", says(answers(201, jsonType, goodAccount))),
		malformedBy("204", "answered 204", says(answers(204, "", ""))),
		malformedBy("206", "answered 206", says(answers(206, jsonType, goodAccount))),
	)
}

// endless writes JSON until the client closes the connection.
func endless(conn net.Conn, gone <-chan struct{}) {
	afterRequest(func(conn net.Conn, gone <-chan struct{}) {
		send(conn, "HTTP/1.1 200 OK\nConnection: close\n\n"+`{"id":"1","padding":"`)
		repeat(conn, gone, strings.Repeat("x", 16<<10))
	})(conn, gone)
}

// hints sends provisional answers until the client closes the connection.
func hints(conn net.Conn, gone <-chan struct{}) {
	afterRequest(func(conn net.Conn, gone <-chan struct{}) {
		hint := "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
		repeat(conn, gone, strings.Repeat(hint, 100))
	})(conn, gone)
}

func repeat(conn net.Conn, gone <-chan struct{}, text string) {
	for {
		select {
		case <-gone:
			return
		default:
		}
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
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
	exact := `{"id":"1","padding":"` + strings.Repeat("x", 64<<10-len(`{"id":"1","padding":""}`)) + `"}`
	var all []fault
	for _, tt := range []struct{ name, body string }{
		{"balance of 1e999999999", `{"id":"1","balance":1e999999999}`},
		{"balance of -1e999999999", `{"id":"1","balance":-1e999999999}`},
		{"balance of 1e-999999999", `{"id":"1","balance":1e-999999999}`},
		{"balance of NaN", `{"id":"1","balance":NaN}`},
		{"infinite balance", `{"id":"1","balance":-Infinity}`},
		{"balance in a string", `{"id":"1","balance":"121.3"}`},
		{"negative balance", `{"id":"1","balance":-3.5}`},
		{"balance of null", `{"id":"1","balance":null}`},
		{"balance is a list", `{"id":"1","balance":[1]}`},
		{"two balances", `{"id":"1","balance":1,"balance":2}`},
		{"balance of 60 digits", `{"id":"1","balance":` + strings.Repeat("9", 60) + `}`},
		{"byte order mark", "\xef\xbb\xbf" + goodAccount},
		{"unknown members", `{"id":"1","new":{"id":2,"ID":3},"ID":"2","Id":"3"}`},
		{"invalid names", `{"id":"1","public_name":["Jack"],"company":"ACME"}`},
		{"two companies", `{"id":"1","company":{"id":"1"},"company":{"id":"2"}}`},
		{"exactly 64 KiB", exact},
		{"line breaks and blanks around", "\r\n\t " + goodAccount + "\n\n"},
	} {
		all = append(all, fault{name: "200/" + tt.name, means: meansVerified, arm: accountSays(tt.body)})
	}
	return append(all, fault{
		name: "200/another Content-Type", means: meansVerified,
		arm: says(answers(200, "Content-Type: text/plain\n", goodAccount)),
	})
}

func refusedAnswers() []fault {
	const advice = "generate a new one on the account's Integrations page"
	refusal := func(name, text string, arm func(*faultWorld)) fault {
		return fault{name: name, means: meansRejected, says: text, arm: arm}
	}
	return []fault{
		refusal("401/platform", "answered 401 AUTHENTICATION_ERROR (request_id r-1): the token AAAA…#",
			platformSays(401, "AUTHENTICATION_ERROR")),
		refusal("401/platform, OAuth", "answered 401 OAUTH_AUTHENTICATION_ERROR",
			platformSays(401, "OAUTH_AUTHENTICATION_ERROR")),
		refusal("401/no body", advice, says(answers(401, "", ""))),
		refusal("401/line break", advice, says(answers(401, "", "\r\n"))),
		refusal("403/platform", "answered 403 ACCESS_DENIED (request_id r-1)",
			platformSays(403, "ACCESS_DENIED")),
		refusal("403/no body", advice, says(answers(403, "", ""))),
	}
}

func rateLimits() []fault {
	date := func(offset time.Duration) string {
		now := time.Now().UTC()
		return "Date: " + now.Format(http.TimeFormat) +
			"\nRetry-After: " + now.Add(offset).Format(http.TimeFormat) + "\n"
	}
	quota := func(interval string) string {
		return `{"request_id":"r-1","code":"TOO_MANY_REQUESTS","message":"m",` +
			`"payload":{"interval":"` + interval + `"}}`
	}
	const year = 365 * 24 * time.Hour
	var all []fault
	for _, tt := range []struct {
		name          string
		hold          time.Duration
		headers, body string
	}{
		{"no hint", time.Second, "", ""},
		{"page", time.Second, "Content-Type: text/html\n", "<html>Slow down</html>"},
		{"0 seconds", time.Second, "Retry-After: 0\n", ""},
		{"2 seconds", 2 * time.Second, "Retry-After: 2\n", ""},
		{"a year", 10 * time.Second, "Retry-After: " + strconv.Itoa(int(year.Seconds())) + "\n", ""},
		{"overflow", 10 * time.Second, "Retry-After: 99999999999999999999999\n", ""},
		{"date", 5 * time.Second, date(5 * time.Second), ""},
		{"past date", time.Second, date(-time.Hour), ""},
		{"date in a year", 10 * time.Second, date(year), ""},
		{"negative", time.Second, "Retry-After: -5\n", ""},
		{"nonsense", time.Second, "Retry-After: soon\n", ""},
		{"payload MIN", 10 * time.Second, jsonType, quota("MIN")},
		{"payload DAY", 10 * time.Second, jsonType, quota("DAY")},
		{"payload FORTNIGHT", time.Second, jsonType, quota("FORTNIGHT")},
		{"header and payload", 2 * time.Second, "Retry-After: 2\n" + jsonType, quota("DAY")},
		{"nonsense and payload", 10 * time.Second, "Retry-After: soon\n" + jsonType, quota("HOUR")},
	} {
		all = append(all, fault{
			name: "429/" + tt.name, means: meansLimited, says: "answered 429", hold: tt.hold,
			arm: says(answers(429, tt.headers, tt.body)),
		})
	}
	return all
}

func otherStatuses(elsewhere string) []fault {
	const inFront = "something in front of the platform refuses"
	cut401 := "HTTP/1.1 401 Unauthorized\nContent-Length: 90\n\n" + `{"request_id":"r"`
	all := []fault{
		misdirectedBy("401/proxy", inFront, pageSays(401)),
		misdirectedBy("403/firewall", inFront, pageSays(403)),
		misdirectedBy("403/other JSON", inFront, says(answers(403, jsonType, `{"error":"forbidden"}`))),
		misdirectedBy("403/no request_id", inFront,
			says(answers(403, jsonType, `{"code":"ACCESS_DENIED"}`))),
		unavailableBy("401/cut short", "the connection was closed before the answer was complete",
			says(cutAfter(cut401, false))),
		misdirectedBy("400/platform", "answered 400 VALIDATION_ERROR",
			platformSays(400, "VALIDATION_ERROR")),
		misdirectedBy("404/platform", "answered 404 DOES_NOT_EXIST",
			platformSays(404, "DOES_NOT_EXIST")),
		misdirectedBy("404/page", "answered 404", pageSays(404)),
		misdirectedBy("409/platform", "answered 409 CONFLICT_STATE", platformSays(409, "CONFLICT_STATE")),
		unavailableBy("500/platform", "answered 500 INTERNAL_ERROR (request_id r-1)",
			platformSays(500, "INTERNAL_ERROR")),
		unavailableBy("503/platform", "answered 503 REMOTE_SERVICE_UNAVAILABLE",
			platformSays(503, "REMOTE_SERVICE_UNAVAILABLE")),
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		arm := says(answers(status, "Location: http://"+elsewhere+"/api/v1/requester\n", ""))
		name := strconv.Itoa(status) + "/to another host"
		all = append(all,
			misdirectedBy(name, "redirects are not followed", arm),
			misdirectedBy(name+", own transport", "redirects are not followed", arm).onOwnTransport())
	}
	for _, status := range []int{300, 304, 400, 405, 407, 409, 410, 418, 426, 451} {
		name := strconv.Itoa(status)
		all = append(all, misdirectedBy(name+"/empty", "answered "+name, says(answers(status, "", ""))))
	}
	for _, status := range []int{408, 500, 501, 502, 503, 504, 599} {
		name := strconv.Itoa(status)
		all = append(all, unavailableBy(name+"/page", "answered "+name, pageSays(status)))
	}
	return all
}
