package benchmarks

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"

	gosundheit "github.com/AppsFlyer/go-sundheit"
	"github.com/AppsFlyer/go-sundheit/checks"
	sundheithttp "github.com/AppsFlyer/go-sundheit/http"
	alexliesenfeld "github.com/alexliesenfeld/health"
	hellofresh "github.com/hellofresh/health-go/v5"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// period is how often a peer's check runs in the background: this library's default interval.
const period = time.Minute

var errDown = errors.New("the credential is not good")

// Healthz returns handlers for /healthz under one status: one written by hand, this library's, and, where they know such a
// status, the peers', each with one check in the mode that costs the least per poll and with the shortest body it has.
func Healthz(status health.Status) ([]Subject, error) {
	checker, err := NewChecker(status)
	if err != nil {
		return nil, err
	}
	ours := nethttp.Health(checker)
	subjects := []Subject{
		bare(BareAnswer(ours)),
		{Name: Ours, Handler: ours, Close: closer(checker)},
	}
	var verdict error
	switch status {
	case health.StatusWarn:
		return subjects, nil
	case health.StatusFail:
		verdict = errDown
	}
	for _, peer := range []func(error) (Subject, error){alexliesenfeldHealthz, hellofreshHealthz, sundheitHealthz} {
		subject, err := peer(verdict)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, subject)
	}
	return subjects, nil
}

// BareAnswer returns what one would write by hand for one constant answer: the same status, header and body as h gives,
// the header's values made in advance.
func BareAnswer(h http.Handler) http.Handler {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	status, header, body := rec.Code, rec.Header(), rec.Body.Bytes()
	mediaType, length := header["Content-Type"], header["Content-Length"]
	noStore, noSniff, retryAfter := header["Cache-Control"], header["X-Content-Type-Options"], header["Retry-After"]
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Content-Type"] = mediaType
		h["Content-Length"] = length
		h["Cache-Control"] = noStore
		h["X-Content-Type-Options"] = noSniff
		if retryAfter != nil {
			h["Retry-After"] = retryAfter
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

// alexliesenfeldHealthz: a periodic check, details off.
func alexliesenfeldHealthz(verdict error) (Subject, error) {
	judged := make(chan struct{})
	checker := alexliesenfeld.NewChecker(
		alexliesenfeld.WithDisabledDetails(),
		alexliesenfeld.WithPeriodicCheck(period, 0, alexliesenfeld.Check{
			Name:  "toloka",
			Check: func(context.Context) error { return verdict },
		}),
		alexliesenfeld.WithStatusListener(func(context.Context, alexliesenfeld.CheckerState) { close(judged) }),
	)
	<-judged
	return Subject{Name: "alexliesenfeld", Handler: alexliesenfeld.NewHandler(checker), Close: checker.Stop}, nil
}

// hellofreshHealthz: the library has neither a cached nor a periodic mode, so its check returns a verdict that is there.
func hellofreshHealthz(verdict error) (Subject, error) {
	h, err := hellofresh.New(hellofresh.WithChecks(hellofresh.Config{
		Name:  "toloka",
		Check: func(context.Context) error { return verdict },
	}))
	if err != nil {
		return Subject{}, err
	}
	return Subject{Name: "hellofresh", Handler: h.Handler(), Close: nothing}, nil
}

// sundheitHealthz: its checks are always periodic. The query that asks for the short report is part of its handler, because
// all subjects get the same request.
func sundheitHealthz(verdict error) (Subject, error) {
	judged := make(judgedListener, 1)
	h := gosundheit.New(gosundheit.WithHealthListeners(judged))
	check := &checks.CustomCheck{
		CheckName: "toloka",
		CheckFunc: func(context.Context) (any, error) { return nil, verdict },
	}
	if err := h.RegisterCheck(check, gosundheit.ExecutionPeriod(period), gosundheit.InitialDelay(0)); err != nil {
		return Subject{}, err
	}
	<-judged
	return Subject{Name: "go-sundheit", Handler: sundheithttp.HandleHealthJSON(h), Close: h.DeregisterAll}, nil
}

// judgedListener tells of the first check.
type judgedListener chan struct{}

func (l judgedListener) OnResultsUpdated(map[string]gosundheit.Result) {
	select {
	case l <- struct{}{}:
	default:
	}
}
