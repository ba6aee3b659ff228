package requestertest

import (
	"net/http"
	"strconv"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// answer is a whole answer of the platform.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// answerTo is what a healthy platform answers. The lock is held.
func (p *Platform) answerTo(r *http.Request, sent credentials.Token, requestID string) answer {
	if r.URL.Path != "/api/v1/requester" {
		return errorAnswer(http.StatusNotFound, requestID)
	}
	if r.Method != http.MethodGet {
		a := errorAnswer(http.StatusMethodNotAllowed, requestID)
		a.header.Set("Allow", http.MethodGet)
		return a
	}
	known, ok := p.tokens[keyOf(sent)]
	if sent.IsZero() || !ok || sent.Scheme() != known.scheme {
		a := errorAnswer(http.StatusUnauthorized, requestID)
		if sent.Scheme() == credentials.SchemeOAuth {
			a.body = errorBody(requestID, "OAUTH_AUTHENTICATION_ERROR", "OAuth token is invalid", "")
		}
		return a
	}
	id := known.account
	if under := r.Header.Get("X-Act-Under-Account-ID"); under != "" && under != id {
		if !p.shared[under][id] {
			return errorAnswer(http.StatusForbidden, requestID)
		}
		id = under
	}
	return jsonAnswer(http.StatusOK, p.accounts[id].JSON())
}

// platformErrors are the codes that the platform documents, with words of our own.
var platformErrors = map[int][2]string{
	http.StatusBadRequest:          {"VALIDATION_ERROR", "Validation failed"},
	http.StatusUnauthorized:        {"AUTHENTICATION_ERROR", "Authentication failed"},
	http.StatusForbidden:           {"ACCESS_DENIED", "Access denied"},
	http.StatusNotFound:            {"DOES_NOT_EXIST", "No such object"},
	http.StatusMethodNotAllowed:    {"METHOD_NOT_ALLOWED", "Method not allowed"},
	http.StatusConflict:            {"CONFLICT_STATE", "Conflict"},
	http.StatusTooManyRequests:     {"TOO_MANY_REQUESTS", "Too many requests"},
	http.StatusInternalServerError: {"INTERNAL_ERROR", "Internal error"},
	http.StatusServiceUnavailable:  {"REMOTE_SERVICE_UNAVAILABLE", "Remote service is unavailable"},
}

// errorAnswer is the platform's error of that status; a status that it has no code for
// comes without a body.
func errorAnswer(status int, requestID string) answer {
	e, ok := platformErrors[status]
	if !ok {
		return answer{status: status, header: http.Header{}}
	}
	return jsonAnswer(status, errorBody(requestID, e[0], e[1], ""))
}

// errorBody is the platform's error object; payload is raw JSON, "" for none.
func errorBody(requestID, code, message, payload string) []byte {
	s := `{"request_id":` + quote(requestID) + `,"code":` + quote(code) + `,"message":` + quote(message)
	if payload != "" {
		s += `,"payload":` + payload
	}
	return []byte(s + "}")
}

func jsonAnswer(status int, body []byte) answer {
	return answer{status: status, header: http.Header{"Content-Type": {"application/json;charset=UTF-8"}}, body: body}
}

// serveAnswer writes what was settled when the request arrived.
func serveAnswer(w http.ResponseWriter, r *http.Request) { exchangeOf(r).answer.write(w) }

// write leaves alone what a fault around it has set.
func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	for key, values := range a.header {
		setDefault(h, key, values...)
	}
	if bodyAllowed(a.status) {
		setDefault(h, "Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	if bodyAllowed(a.status) {
		_, _ = w.Write(a.body) // the client may be gone
	}
}

// setDefault leaves alone what is set, even to nothing.
func setDefault(h http.Header, key string, values ...string) {
	if _, ok := h[key]; !ok {
		h[key] = values
	}
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
