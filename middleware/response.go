package middleware

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Header keys in canonical form. Responses assign to the header map directly, because Header.Set
// would allocate a slice for each value.
const (
	keyAllow              = "Allow"
	keyCacheControl       = "Cache-Control"
	keyContentLength      = "Content-Length"
	keyContentType        = "Content-Type"
	keyContentTypeOptions = "X-Content-Type-Options"
	keyRetryAfter         = "Retry-After"
	// keyEnvoyImmediateFail makes Envoy remove the host at once, without waiting for its unhealthy
	// threshold. It is sent only while draining: on other failures it would defeat that threshold.
	// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/health_checking
	keyEnvoyImmediateFail = "X-Envoy-Immediate-Health-Check-Fail"
)

const (
	healthMediaType  = "application/health+json"  // draft-inadarei-api-health-check, section 3
	problemMediaType = "application/problem+json" // RFC 9457, section 3
)

// Header values of every response: a verdict must not be cached.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

// response is a complete HTTP response, rendered in advance. It is immutable and shared by all
// requests, header values included. No value has spare capacity, so that middleware further out
// that appends to one gets a copy.
type response struct {
	status int
	header []field
	body   []byte
}

// ofBody is how many headers come first in every response and are about its body.
const ofBody = 3

type field struct {
	key    string
	values []string
}

func newResponse(status int, mediaType string, body []byte, more ...field) *response {
	header := []field{
		{keyContentType, []string{mediaType}},
		{keyContentLength, []string{strconv.Itoa(len(body))}},
		{keyContentTypeOptions, noSniff},
		{keyCacheControl, noStore},
	}
	return &response{status: status, header: append(header, more...), body: body}
}

// problem is a problem details object (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// newProblem returns a response with a problem of type about:blank, which means that the status
// code is the kind of problem (RFC 9457, section 4.2.1).
func newProblem(status int, detail string, more ...field) *response {
	return newResponse(status, problemMediaType, marshal(problem{
		Type:   "about:blank",
		Title:  http.StatusText(status),
		Status: status,
		Detail: detail,
	}), more...)
}

// with returns the response with one more header.
func (resp *response) with(more field) *response {
	header := append(slices.Clip(resp.header), more)
	return &response{status: resp.status, header: header, body: resp.body}
}

// write sends the response, to HEAD without the body. It allocates nothing.
func (resp *response) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for i := range resp.header {
		h[resp.header[i].key] = resp.header[i].values
	}
	w.WriteHeader(resp.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(resp.body) // an error means that the client is gone
	}
}

// retryAfter renders a Retry-After in whole seconds, rounded up. It is at least one, because zero
// would invite immediate retries.
func retryAfter(d time.Duration) []string {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return []string{strconv.FormatInt(max(seconds, 1), 10)}
}

// marshal encodes a document of this package. All of them consist of types that encoding/json can
// always encode.
func marshal(document any) []byte {
	b, _ := json.Marshal(document)
	return b
}
