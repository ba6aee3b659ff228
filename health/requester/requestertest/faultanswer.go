package requestertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

// Status answers with that status, and with the platform's error object where it documents
// a code for it (400, 401, 403, 404, 409, 429, 500, 503; also 405); else with an empty
// body.
func Status(status int) Fault {
	return answering(func(x *exchange) answer { return errorAnswer(status, x.requestID) })
}

// Body answers with exactly that.
func Body(status int, contentType, body string) Fault {
	return answering(func(*exchange) answer {
		return answer{status: status, header: http.Header{"Content-Type": {contentType}}, body: []byte(body)}
	})
}

// HTML answers with a page, as proxies, firewalls and login portals do.
func HTML(status int) Fault {
	page := fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%d %s</title></head><body>A page from somewhere on the way.</body></html>\n",
		status, http.StatusText(status))
	return Body(status, "text/html; charset=utf-8", page)
}

// Empty answers with that status and no body at all.
func Empty(status int) Fault {
	return answering(func(*exchange) answer { return answer{status: status} })
}

// Redirect answers with that status, such as 302, and the location.
func Redirect(status int, location string) Fault {
	return answering(func(*exchange) answer {
		return answer{status: status, header: http.Header{"Location": {location}}}
	})
}

// Header sets a header of the answer, whatever the answer is; "" removes it, which works
// for Date too.
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

// Oversized makes the answer longer than the 64 KiB that the client reads, by a member that
// it does not know: the JSON stays good.
func Oversized() Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := record(next, r)
			padding := strings.Repeat("x", 70<<10)
			if rest, ok := strings.CutPrefix(string(a.body), "{"); ok {
				a.body = []byte(`{"padding":"` + padding + `",` + rest)
			} else {
				a.body = append(a.body, padding...)
			}
			a.header.Del("Content-Length")
			a.write(w)
		})
	}
}

// EchoToken answers with that status and repeats the token that it was sent in every place
// that a careless server could: in every string of the body, and in headers. With 200 the
// account is the right one, and its names and company repeat the token.
func EchoToken(status int) Fault {
	return answering(func(x *exchange) answer {
		token := x.token.Reveal()
		a := jsonAnswer(status, nil)
		for _, key := range []string{"Retry-After", "Location", "Www-Authenticate", "X-Request-Id", "Server", "Set-Cookie"} {
			a.header.Set(key, token)
		}
		if status == http.StatusOK {
			names := map[string]string{"EN": "Jack " + token, token: token}
			a.body = []byte(`{"id":` + quote(AccountID) + `,"public_name":` + quote(names) + `,"company":{"id":` +
				quote(token) + `,"superintendent_id":` + quote(token) + `},"token":` + quote(token) + `}`)
		} else {
			a.body = errorBody(token, token, "Invalid token "+token, `{"interval":`+quote(token)+`,`+quote(token)+`:`+quote(token)+`}`)
		}
		return a
	})
}

func answering(f func(*exchange) answer) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(exchangeOf(r)).write(w) })
	}
}

// record collects what next answers.
func record(next http.Handler, r *http.Request) answer {
	w := httptest.NewRecorder()
	next.ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Header(), body: w.Body.Bytes()}
}
