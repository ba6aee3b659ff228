package middleware

import "net/http"

// ProblemContentType is the media type of problem details (RFC 9457, section 3).
const ProblemContentType = "application/problem+json"

// Problem is a problem details object (RFC 9457): what a client is told about an error, and nothing of its cause.
type Problem struct {
	// Type is a URI of the kind of problem; "about:blank" where the HTTP status says it all (section 4.2.1).
	Type string `json:"type"`
	// Title is the kind of problem in a few words.
	Title string `json:"title"`
	// Status is the HTTP status code.
	Status int `json:"status"`
	// Detail is a sentence for the reader about this occurrence.
	Detail string `json:"detail"`
}

// String returns the title and the detail, for logs of the service's own error handler.
func (p Problem) String() string { return p.Title + ": " + p.Detail }

// Unavailable returns what a gate tells those it turns away. It is the same for every reason: the public learns neither
// what is wrong nor with which account.
func Unavailable() Problem { return unavailable }

var (
	unavailable = Problem{
		Type:   "about:blank",
		Title:  http.StatusText(http.StatusServiceUnavailable),
		Status: http.StatusServiceUnavailable,
		Detail: "The service cannot handle this request at the moment. Try again later.",
	}
	methodNotAllowed = Problem{
		Type:   "about:blank",
		Title:  http.StatusText(http.StatusMethodNotAllowed),
		Status: http.StatusMethodNotAllowed,
		Detail: "A health endpoint answers GET, HEAD and OPTIONS.",
	}
)
