package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/names"
)

// vaultError is the error of all functions of this package. Its text names the request to Vault,
// the problem and what to do. It never shows a Vault token, a login's secret or a value of the
// secret that is read. A mount, path, field or role that looks like a secret is replaced by
// "(hidden)".
type vaultError struct {
	// path is the API path of the request without "/v1/", as in a policy:
	// "secret/data/toloka", "auth/approle/login". It is empty for an invalid setting.
	path string
	// address is the address of Vault without user information, empty if no request was sent.
	address string
	// status is the HTTP status of Vault's response, 0 without a response.
	status int

	problem string
	quote   string // what Vault says about it
	note    string // when the request is sent again
	kind    error  // ErrNotFound, ErrInvalid or nil: transient
	cause   error  // may be nil
	unasked bool   // no request was sent
}

func (e *vaultError) Error() string {
	text := "vault: "
	if e.path != "" {
		text += e.path
		if e.address != "" {
			text += " at " + e.address
		}
		text += ": "
	}
	return text + e.problem + e.quote + e.note
}

// Advised reports whether the text says what to do, so that package health does not say it again.
func (e *vaultError) Advised() bool { return e.kind != nil }

func (e *vaultError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// explainHidden adds why a name is hidden: it is the likely cause of a failure. Vault repeats names
// in its messages, so these are not quoted then.
func (e *vaultError) explainHidden(settings ...setting) {
	for _, s := range settings {
		if s.name.Problem != "" {
			e.problem += "; the " + s.what + " " + s.name.Problem
			e.quote = ""
		}
	}
}

// setting is a name that the user has configured.
type setting struct {
	what string
	name names.Name
}

func fieldNamed(what, name string) setting { return setting{what, names.Field(name)} }
func pathNamed(what, path string) setting  { return setting{what, names.Path(path)} }

// settingError is an error of a setting: the program or its environment has to be changed.
func settingError(format string, args ...any) *vaultError {
	return &vaultError{
		problem: fmt.Sprintf(format, args...), kind: credentials.ErrInvalid, unasked: true,
	}
}

// timeoutError is the cause of a context that this package has bounded.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return "no answer within " + e.after.String() }
func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }

// redirectError replaces a response that would have sent the Vault token elsewhere.
type redirectError struct {
	status int
	to     string
}

func (e *redirectError) Error() string {
	return fmt.Sprintf("answered %d, a redirect to %s, which is not followed: "+
		"set the address to the active node or to a load balancer in front of it", e.status, e.to)
}

// noAnswer is the error of a request without a complete response from Vault. The errors of
// net/http may quote what the other side has sent.
func noAnswer(ctx context.Context, path, address string, err error, secrets ...string) *vaultError {
	e := &vaultError{path: path, address: address, cause: err}
	var redirect *redirectError
	var network *url.Error
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &redirect):
		e.status, e.problem, e.cause = redirect.status, redirect.Error(), redirect
	case ctx.Err() != nil:
		e.cause = context.Cause(ctx)
		e.problem = e.cause.Error()
	case errors.Is(err, errTooLarge):
		e.problem, e.cause = errTooLarge.Error(), errTooLarge
	case errors.As(err, &network):
		// A url.Error has the whole URL, with names that may have to be hidden.
		e.problem, e.cause = "cannot be reached: "+network.Err.Error(), network.Err
		if clean := withoutEcho(e.problem); clean != e.problem {
			e.problem, e.cause = clean, nil
		}
	case errors.As(err, &syntax), errors.As(err, &mismatch):
		e.problem = notVault(0) // 200 or 404: the Vault client does not tell
	default:
		e.problem = err.Error()
	}
	if clean := redact(e.problem, secrets); clean != e.problem {
		e.problem, e.cause = clean, nil
	}
	return e
}

// withoutEcho cuts what an error of net/http quotes from a malformed response: a server that does
// not speak HTTP may echo the request.
func withoutEcho(text string) string {
	for _, malformed := range []string{
		"malformed ", "bad Content-Length", "unsupported transfer encoding",
	} {
		if i := strings.Index(text, malformed); i >= 0 {
			if j := strings.IndexAny(text[i:], "\":"); j >= 0 {
				return strings.TrimSpace(text[:i+j])
			}
		}
	}
	return text
}

// statusProblem returns the problem of a status that means the same for reads and logins, or "".
func statusProblem(code int) string {
	switch code {
	case http.StatusPreconditionFailed:
		return "this Vault node lags behind the active node (412): wait until it has caught up"
	case http.StatusTooManyRequests:
		return "a rate limit quota of Vault is exceeded (429): raise the quota, or check less often"
	case http.StatusServiceUnavailable:
		return "Vault is sealed, or down for maintenance (503): unseal it"
	}
	return ""
}

// notVault is the problem of a response that does not come from Vault, but from a proxy or another
// server; status is 0 if it is not known.
func notVault(status int) string {
	answered := "answered"
	if status != 0 {
		answered = fmt.Sprintf("answered %d", status)
	}
	return answered + " with something that is not Vault's JSON: " +
		"check the address, and proxies in front of Vault"
}

// maxSaid bounds what a log line quotes from a server, in characters.
const maxSaid = 300

// says quotes Vault's error messages on one line, without the secrets of the request.
func says(messages []string, secrets ...string) string {
	text := strings.Join(strings.Fields(strings.Map(printable, strings.Join(messages, "; "))), " ")
	if text = redact(text, secrets); text == "" {
		return ""
	}
	if runes := []rune(text); len(runes) > maxSaid {
		text = string(runes[:maxSaid]) + "…"
	}
	return fmt.Sprintf("; Vault says %q", text)
}

// redact removes the secrets of a request from text, in case Vault or a proxy repeats them.
func redact(text string, secrets []string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "[redacted]")
		}
	}
	return text
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// responseStatus is the HTTP status in err's tree, 0 without one.
func responseStatus(err error) int {
	var answer *api.ResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}
