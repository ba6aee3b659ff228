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
	"github.com/tolokacheck/tolokacheck/middleware"
)

// period is the time between a peer's background checks: this library's default interval.
const period = time.Minute

var errDown = errors.New("the credential is invalid")

// Healthz returns handlers for /healthz under one status: the bare one, this library's, and those
// of the peers that know such a status. Each peer has one check, in the mode that costs the least
// per poll, and its shortest body.
func Healthz(status health.Status) ([]Subject, error) {
	checker, err := NewChecker(status)
	if err != nil {
		return nil, err
	}
	routes, err := middleware.Routes(checker)
	if err != nil {
		return nil, err
	}
	ours := routes["/healthz"]
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
	peers := []func(error) (Subject, error){
		alexliesenfeldHealthz, hellofreshHealthz, sundheitHealthz,
	}
	for _, peer := range peers {
		subject, err := peer(verdict)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, subject)
	}
	return subjects, nil
}

// BareAnswer returns a hand-written handler for one constant response: status, header and body of
// h, with the values of the header made in advance.
func BareAnswer(h http.Handler) http.Handler {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	status, header, body := rec.Code, rec.Header(), rec.Body.Bytes()
	mediaType, length := header["Content-Type"], header["Content-Length"]
	noStore, noSniff := header["Cache-Control"], header["X-Content-Type-Options"]
	retryAfter := header["Retry-After"]
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
		alexliesenfeld.WithStatusListener(func(context.Context, alexliesenfeld.CheckerState) {
			close(judged)
		}),
	)
	<-judged
	handler := alexliesenfeld.NewHandler(checker)
	return Subject{Name: "alexliesenfeld", Handler: handler, Close: checker.Stop}, nil
}

// hellofreshHealthz: the library has neither a cached nor a periodic mode, so its check returns a
// known verdict.
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

// sundheitHealthz: the library's checks are always periodic. All requests have the query for its
// short report.
func sundheitHealthz(verdict error) (Subject, error) {
	judged := make(judgedListener, 1)
	h := gosundheit.New(gosundheit.WithHealthListeners(judged))
	check := &checks.CustomCheck{
		CheckName: "toloka",
		CheckFunc: func(context.Context) (any, error) { return nil, verdict },
	}
	err := h.RegisterCheck(check, gosundheit.ExecutionPeriod(period), gosundheit.InitialDelay(0))
	if err != nil {
		return Subject{}, err
	}
	<-judged
	handler := sundheithttp.HandleHealthJSON(h)
	return Subject{Name: "go-sundheit", Handler: handler, Close: h.DeregisterAll}, nil
}

// judgedListener receives a value after the first check.
type judgedListener chan struct{}

func (l judgedListener) OnResultsUpdated(map[string]gosundheit.Result) {
	select {
	case l <- struct{}{}:
	default:
	}
}
