package requestertest

import (
	"fmt"
	"net/http"
)

// Status answers with that status. The body is the platform's error object for a status with a
// documented code (400, 401, 403, 404, 409, 429, 500, 503; also 405), else empty.
func Status(status int) Fault {
	return answering(func(x *exchange) answer { return errorAnswer(status, x.requestID) })
}

// RateLimited answers 429 with the platform's error object. retryAfter is the value of the header
// Retry-After, such as "30"; "" leaves the header out.
func RateLimited(retryAfter string) Fault {
	return answering(func(x *exchange) answer {
		limited := errorAnswer(http.StatusTooManyRequests, x.requestID)
		if retryAfter != "" {
			limited.header.Set("Retry-After", retryAfter)
		}
		return limited
	})
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
		"<body>This page is not from the platform.</body></html>\n",
		status, http.StatusText(status))
	return Body(status, "text/html; charset=utf-8", page)
}

func answering(f func(*exchange) answer) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f(exchangeOf(r)).write(w)
		})
	}
}
