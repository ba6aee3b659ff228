package requestertest

import (
	"net/http"
	"strconv"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// answer is a complete answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// answerLocked returns the answer of a healthy platform.
func (p *Platform) answerLocked(r *http.Request, sent credentials.Token, requestID string) answer {
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
			a.body = errorBody(requestID, "OAUTH_AUTHENTICATION_ERROR", "OAuth token is invalid")
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
	return jsonAnswer(http.StatusOK, p.accounts[id].json())
}

// platformErrors are the codes that the platform documents. The messages are not the platform's.
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

// errorAnswer returns the platform's error of that status, without a body if the platform has no
// code for it.
func errorAnswer(status int, requestID string) answer {
	e, ok := platformErrors[status]
	if !ok {
		return answer{status: status, header: http.Header{}}
	}
	return jsonAnswer(status, errorBody(requestID, e[0], e[1]))
}

// errorBody returns the platform's error object.
func errorBody(requestID, code, message string) []byte {
	return []byte(`{"request_id":` + quote(requestID) + `,"code":` + quote(code) +
		`,"message":` + quote(message) + "}")
}

func jsonAnswer(status int, body []byte) answer {
	header := http.Header{"Content-Type": {"application/json;charset=UTF-8"}}
	return answer{status: status, header: header, body: body}
}

// serveAnswer writes the answer that was decided when the request arrived.
func serveAnswer(w http.ResponseWriter, r *http.Request) { exchangeOf(r).answer.write(w) }

// write does not overwrite headers that an outer fault has set.
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

// setDefault does not overwrite a key that is present, even without a value.
func setDefault(h http.Header, key string, values ...string) {
	if _, ok := h[key]; !ok {
		h[key] = values
	}
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
