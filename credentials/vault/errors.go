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
)

// Error is what [Provider.Token], [New], [FromEnv] and the login methods of this package
// return. Its text names the request to Vault, what is wrong and what to do; it never holds a
// Vault token, a login's secret or a value of the secret that is read.
//
// errors.Is tells the kinds apart that [credentials.Provider] speaks of:
// [credentials.ErrNotFound] (no such secret, or its version is deleted or destroyed),
// [credentials.ErrInvalid] (permission denied, login refused, no such field, a setting that
// cannot work), and neither (sealed, unreachable, rate limited: asking later may help).
type Error struct {
	// Path is the API path of the request without "/v1/", as policies write it:
	// "secret/data/toloka", "auth/approle/login". It is empty for a wrong setting.
	Path string
	// Address is where Vault was asked, without user information; empty when it was not.
	Address string
	// StatusCode is the HTTP status of Vault's answer, 0 when there was none.
	StatusCode int

	problem string
	kind    error // ErrNotFound, ErrInvalid, or nil: not now
	cause   error // may be nil
	unasked bool  // Vault was not asked this time
}

// Error says which request failed, how, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("vault: ")
	if e.Path != "" {
		b.WriteString(e.Path)
		if e.Address != "" {
			b.WriteString(" at " + e.Address)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.problem)
	return b.String()
}

// Unwrap returns the kind and the cause, as far as there are any.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// settingError is an error of New and FromEnv: somebody has to change the program or its
// environment.
func settingError(format string, args ...any) *Error {
	return &Error{problem: fmt.Sprintf(format, args...), kind: credentials.ErrInvalid, unasked: true}
}

// timeoutError is the cause of a context that this package has bounded.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return "no answer within " + e.after.String() }
func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }

// redirectError replaces an answer that would have sent the Vault token elsewhere.
type redirectError struct {
	status int
	to     string
}

func (e *redirectError) Error() string {
	return fmt.Sprintf("answered %d, a redirect to %s, which is not followed: set the address to the active node, or to a load balancer in front of it", e.status, e.to)
}

// noAnswer is the error for a request that brought no whole answer from Vault. The texts of
// net/http may quote what the other side has sent.
func noAnswer(ctx context.Context, path, address string, err error, secrets ...string) *Error {
	e := &Error{Path: path, Address: address, cause: err}
	var redirect *redirectError
	var network *url.Error
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &redirect):
		e.StatusCode, e.problem = redirect.status, redirect.Error()
	case ctx.Err() != nil:
		e.cause = context.Cause(ctx)
		e.problem = e.cause.Error()
	case errors.Is(err, errTooLarge):
		e.problem = errTooLarge.Error()
	case errors.As(err, &network):
		// The text of a url.Error repeats the whole URL.
		e.problem = "cannot be reached: " + network.Err.Error()
	case errors.As(err, &syntax):
		e.problem = notVault(0) // 200 or 404: the Vault client does not say
	default:
		e.problem = err.Error()
	}
	if clean := redact(e.problem, secrets); clean != e.problem {
		e.problem, e.cause = clean, nil
	}
	return e
}

// statusProblem gives the words for answers that mean the same for reads and for logins, or "".
func statusProblem(code int) string {
	switch code {
	case http.StatusPreconditionFailed:
		return "this node of Vault has not caught up with the active one (412): it may in a moment"
	case http.StatusTooManyRequests:
		return "a rate limit quota of Vault is exceeded (429): raise the quota, or check less often"
	case http.StatusServiceUnavailable:
		return "Vault is sealed, or down for maintenance (503): unseal it"
	}
	return ""
}

// notVault is the problem with an answer that somebody in front of Vault has given; status is 0
// where it is not known.
func notVault(status int) string {
	answered := "answered"
	if status != 0 {
		answered = fmt.Sprintf("answered %d", status)
	}
	return answered + " with something that is not Vault's JSON: check the address, and proxies in front of Vault"
}

// says quotes Vault's own error messages on one line.
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

// redact blots out the secrets of a request, should Vault or a proxy on the way have echoed
// them.
func redact(text string, secrets []string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "[redacted]")
		}
	}
	return text
}

// maxSaid bounds what a log line takes over from a server, in characters.
const maxSaid = 300

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
