package middleware

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Keys as the header map holds them: answers assign to the map directly, because Header.Set would canonicalize the key
// and allocate a slice for each value.
const (
	keyAllow              = "Allow"
	keyCacheControl       = "Cache-Control"
	keyContentLength      = "Content-Length"
	keyContentType        = "Content-Type"
	keyContentTypeOptions = "X-Content-Type-Options"
	keyRetryAfter         = "Retry-After"
	// keyEnvoyImmediateFail makes Envoy take this host out at once instead of after its unhealthy threshold. It is for
	// draining only: on any other failure it would defeat Envoy's own damping.
	// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/health_checking
	keyEnvoyImmediateFail = "X-Envoy-Immediate-Health-Check-Fail"
)

// Values that every answer has. What an answer says is true of this moment only, so nobody may store it.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

// answer is a whole HTTP answer, rendered in advance. It never changes, so any number of requests share it, header
// values included. No value has spare capacity: a handler further out that adds to one gets a copy of its own.
type answer struct {
	status int
	header []field
	body   []byte
}

type field struct {
	key    string
	values []string
}

func newAnswer(status int, mediaType string, body []byte, more ...field) *answer {
	header := []field{
		{keyContentType, []string{mediaType}},
		{keyContentLength, []string{strconv.Itoa(len(body))}},
		{keyCacheControl, noStore},
		{keyContentTypeOptions, noSniff},
	}
	return &answer{status: status, header: append(header, more...), body: body}
}

func newProblemAnswer(p Problem, more ...field) *answer {
	return newAnswer(p.Status, ProblemContentType, marshal(p), more...)
}

// write sends the answer, to HEAD without the body. It allocates nothing.
func (a *answer) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for i := range a.header {
		h[a.header[i].key] = a.header[i].values
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		// If this fails the client is gone, and there is nobody left to tell.
		_, _ = w.Write(a.body)
	}
}

// retryAfter renders a Retry-After in whole seconds, rounded up so that nobody comes back too early, and at least one
// because zero invites to hammer.
func retryAfter(d time.Duration) []string {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return []string{strconv.FormatInt(max(seconds, 1), 10)}
}

// marshal encodes a document of this package.
func marshal(document any) []byte {
	// Each document is made of types that encoding/json can always encode; an error would be a bug here, and even then the
	// status code, which is all that most balancers read, is right.
	b, _ := json.Marshal(document)
	return b
}
