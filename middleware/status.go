package middleware

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// runbook is where the anchors of the reasons are.
const runbook = "https://github.com/tolokacheck/tolokacheck/blob/main/.github/docs/operations.md#"

const keyContentSecurityPolicy = "Content-Security-Policy"

var (
	//go:embed status.html
	statusHTML string
	//go:embed status.css
	statusCSS string

	// The page loads nothing, runs nothing, and is in no frame. Only its own style is applied.
	statusHeader = []field{
		{keyContentSecurityPolicy,
			[]string{"default-src 'none'; style-src 'sha256-" + digest(statusCSS) +
				"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}},
		{"Referrer-Policy", []string{"no-referrer"}},
	}

	statusForbidden = newProblem(http.StatusForbidden,
		"The status page is for operators. The service decides who they are.")
	statusMethodNotAllowed = newProblem(http.StatusMethodNotAllowed,
		"The status page answers GET and HEAD.",
		field{keyAllow, []string{"GET, HEAD"}})
)

func digest(style string) string {
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// WithStatusPage adds the status page for people, at /statusz: for each checker what is wrong, what
// to do, since when, the account and its balance, the last and the next check, the source and the
// fingerprint of the token, and the last 50 changes. With [WithCallers] it also shows the counts of
// callers. The page is one HTML document without script; it is rendered for every request. By
// default there is no status page. [WithPath] moves it.
//
// The page needs [WithDetails]: requests that the policy does not allow get 403. The browser of an
// operator passes [LoopbackOnly] through a port forward ("kubectl port-forward"). Allowed requests
// get 200 whatever the status, so do not configure the page as a health check. Methods other than
// GET and HEAD get 405.
func WithStatusPage() HealthOption {
	return func(c *healthConfig) error {
		c.statusPage = newStatus
		return nil
	}
}

// statusEndpoint serves the status page. Only [WithStatusPage] refers to it: programs without the
// page do not link html/template, which would keep all their exported methods.
type statusEndpoint struct {
	checkers []Snapshotter
	details  *detailsPolicy
	callers  *Callers // may be nil
	template *template.Template
}

func newStatus(checkers []Snapshotter, config *healthConfig) http.Handler {
	return &statusEndpoint{
		checkers: checkers,
		details:  newDetailsPolicy(config.details),
		callers:  config.callers,
		template: template.Must(template.New("status").Parse(statusHTML)),
	}
}

// needDetails returns an error if there is no policy of who may see the status page.
func (c *healthConfig) needDetails() error {
	if c.details == nil {
		return errors.New("the status page needs WithDetails, which decides who may see it")
	}
	return nil
}

func (e *statusEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		statusMethodNotAllowed.write(w, r)
	case !e.details.allows(r):
		statusForbidden.write(w, r)
	default:
		body := e.render(time.Now())
		newResponse(http.StatusOK, "text/html; charset=utf-8", body, statusHeader...).write(w, r)
	}
}

// statusPage is what the template shows. Everything is text: the template escapes it.
type statusPage struct {
	Status   health.Status // the worst
	Style    template.CSS
	Now      moment
	Checkers []statusOfChecker
	Callers  []statusDetail // empty without WithCallers
}

type statusOfChecker struct {
	ID, Title string
	Status    health.Status
	Since     moment
	Draining  bool
	Reasons   []statusReason
	Cause     string
	Details   []statusDetail
	Changes   []statusChange
}

type statusReason struct{ Name, Meaning, Advice, Runbook string }

// statusDetail has a time or a value.
type statusDetail struct {
	Term, Value string
	Time        *moment
}

type statusChange struct {
	Time            moment
	From, To, Cause string
}

// moment is a time as people and programs read it.
type moment struct{ Text, Machine, Distance string }

func (e *statusEndpoint) render(now time.Time) []byte {
	page := statusPage{
		Status: health.StatusPass,
		Style:  template.CSS(statusCSS), // this package's own
		Now:    momentOf(now, now),
	}
	page.Now.Distance = ""
	for i, c := range e.checkers {
		s := c.Snapshot()
		if s == nil {
			s = unknown
		}
		page.Status = min(page.Status, s.Status())
		page.Checkers = append(page.Checkers,
			newStatusOfChecker("checker-"+strconv.Itoa(i+1), s, now))
	}
	if e.callers != nil {
		page.Callers = callersDetails(e.callers.Stats())
	}
	var b bytes.Buffer
	// It fails only if the template and the types disagree, which the tests would show.
	_ = e.template.Execute(&b, page)
	return b.Bytes()
}

func newStatusOfChecker(id string, s *health.Snapshot, now time.Time) statusOfChecker {
	state := s.State()
	c := statusOfChecker{
		ID:       id,
		Title:    state.Name,
		Status:   s.Status(),
		Since:    momentOf(state.Since, now),
		Draining: state.Draining,
		Cause:    errorText(state.Err),
		Details:  statusDetails(s, now),
	}
	if c.Title == "" {
		c.Title = state.Environment
	}
	if c.Title == "" {
		c.Title = "credential"
	}
	for _, r := range state.Reasons {
		c.Reasons = append(c.Reasons,
			statusReason{r.String(), r.Meaning(), r.Advice(), runbook + r.String()})
	}
	for _, change := range slices.Backward(state.History) {
		c.Changes = append(c.Changes, statusChange{
			Time:  momentOf(change.At, now),
			From:  change.From.String(),
			To:    change.To.String(),
			Cause: errorText(change.Err),
		})
	}
	return c
}

func statusDetails(s *health.Snapshot, now time.Time) []statusDetail {
	state := s.State()
	var details []statusDetail
	value := func(term, value string) {
		if value != "" {
			details = append(details, statusDetail{Term: term, Value: value})
		}
	}
	at := func(term string, t time.Time) {
		if !t.IsZero() {
			m := momentOf(t, now)
			details = append(details, statusDetail{Term: term, Time: &m})
		}
	}
	value("Environment", state.Environment)
	if s.Ready() {
		value("Health endpoints", "answer 200")
	} else {
		value("Health endpoints", "answer 503")
	}
	if s.Open() {
		value("Gate", "open")
	} else {
		value("Gate", "closed")
	}
	if account := state.Account; account != nil {
		value("Account", account.ID())
		value("Account name", account.Name())
		if company, ok := account.Company(); ok {
			value("Company", company.ID)
		}
		if balance, ok := account.Balance(); ok {
			value("Balance", balance.String()+" USD")
		}
	}
	if least := state.MinBalance; least.Valid {
		value("Minimum balance", least.Decimal.String()+" USD")
	}
	at("Last verified", state.VerifiedAt)
	if s.Open() && !state.VerifiedAt.IsZero() && state.MaxStale > 0 {
		at("Good until", state.VerifiedAt.Add(state.MaxStale))
	}
	at("Last answer", state.AnsweredAt)
	if !state.AnsweredAt.IsZero() {
		value("Latency", fmt.Sprintf("%.3g ms", float64(state.Latency)/float64(time.Millisecond)))
	}
	at("Next check", state.NextCheck)
	value("Circuit breaker", state.Breaker)
	if state.Shared.Mode != "" {
		value("Shared store", sharedText(state.Shared))
	}
	value("Token source", state.TokenSource)
	value("Token fingerprint", s.TokenFingerprint())
	return details
}

// momentOf returns t and how far it is from now.
func momentOf(t, now time.Time) moment {
	if t.IsZero() {
		return moment{Text: "an unknown time"}
	}
	m := moment{
		Text:    t.UTC().Format("2006-01-02 15:04:05 UTC"),
		Machine: t.UTC().Format(time.RFC3339),
	}
	switch d := now.Sub(t); {
	case d >= time.Second:
		m.Distance = " (" + roughly(d) + " ago)"
	case d <= -time.Second:
		m.Distance = " (in " + roughly(-d) + ")"
	default:
		m.Distance = " (now)"
	}
	return m
}

// roughly returns a duration with its one or two largest units.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
	}
}

// errorText returns the text of an error, which may be foreign code that panics.
func errorText(err error) (text string) {
	if err == nil {
		return ""
	}
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("an error of type %T, which cannot be printed", err)
		}
	}()
	return err.Error()
}
