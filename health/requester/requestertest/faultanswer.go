package requestertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

// Status answers with that status. The body is the platform's error object for a status with a
// documented code (400, 401, 403, 404, 409, 429, 500, 503; also 405), else empty.
func Status(status int) Fault {
	return answering(func(x *exchange) answer { return errorAnswer(status, x.requestID) })
}

// RateLimited answers 429 with the platform's error object. retryAfter is the value of the header
// Retry-After, such as "30"; "" leaves the header out.
func RateLimited(retryAfter string) Fault {
	limited := Status(http.StatusTooManyRequests)
	if retryAfter == "" {
		return limited
	}
	return Join(Header("Retry-After", retryAfter), limited)
}

// Body answers with that status, content type and body. An empty contentType leaves the header
// out.
func Body(status int, contentType, body string) Fault {
	header := http.Header{"Content-Type": nil} // net/http must not guess it
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	return answering(func(*exchange) answer {
		return answer{status: status, header: header, body: []byte(body)}
	})
}

// HTML answers with a page, as proxies, firewalls and login pages do.
func HTML(status int) Fault {
	page := fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%d %s</title></head>"+
		"<body>This page is not from the platform.</body></html>\n", status, http.StatusText(status))
	return Body(status, "text/html; charset=utf-8", page)
}

// Redirect answers with that status, such as 302, and the location.
func Redirect(status int, location string) Fault {
	return answering(func(*exchange) answer {
		return answer{status: status, header: http.Header{"Location": {location}}}
	})
}

// Header sets a header of any answer. An empty value removes it, also Date.
func Header(key, value string) Fault {
	key = http.CanonicalHeaderKey(key)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if value == "" {
				w.Header()[key] = nil
			} else {
				w.Header().Set(key, value)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// EchoToken answers with that status and repeats the received token wherever a careless server
// could: in every string of the body, and in headers. It is for tests that no output shows the
// token. With 200 the id is that of [DefaultAccount], and the names and the company repeat the
// token.
func EchoToken(status int) Fault {
	return answering(func(x *exchange) answer {
		token := x.token.Reveal()
		a := jsonAnswer(status, nil)
		for _, key := range []string{
			"Retry-After", "Location", "Www-Authenticate", "X-Request-Id", "Server", "Set-Cookie",
		} {
			a.header.Set(key, token)
		}
		if status == http.StatusOK {
			names := map[string]string{"EN": "Jack " + token, token: token}
			a.body = []byte(`{"id":` + quote(defaultID) + `,"public_name":` + quote(names) +
				`,"company":{"id":` + quote(token) + `,"superintendent_id":` + quote(token) +
				`},"token":` + quote(token) + `}`)
		} else {
			payload := map[string]string{"interval": token, token: token}
			a.body = errorBody(token, token, "Invalid token "+token)
			a.body = []byte(strings.TrimSuffix(string(a.body), "}") + `,"payload":` + quote(payload) + "}")
		}
		return a
	})
}

func answering(f func(*exchange) answer) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(exchangeOf(r)).write(w) })
	}
}

// record returns the answer of next.
func record(next http.Handler, r *http.Request) answer {
	w := httptest.NewRecorder()
	next.ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Header(), body: w.Body.Bytes()}
}
