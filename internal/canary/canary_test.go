package canary

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/faults"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func TestMain(m *testing.M) {
	_ = time.Now().Local().String() // initializes time.Local, which printers by reflection read
	goleak.VerifyTestMain(m)
}

// mark is in every token of this test. A part of it is found, too: a truncated token is also a
// leak.
const mark = "CANARY-secret-0123456789"

// output collects everything that is visible outside the library: logs, errors, responses and
// printed values.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *output) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

// print prints a value with all verbs, encoders and log handlers.
func (p *output) print(v any) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%X", "%q", "%p", "%T", "%08.3v"} {
		fmt.Fprintf(p, verb+"\n", v)
	}
	_ = json.NewEncoder(p).Encode(v)
	_ = xml.NewEncoder(p).Encode(v)
	_ = gob.NewEncoder(p).Encode(v)
	for _, h := range []slog.Handler{slog.NewTextHandler(p, nil), slog.NewJSONHandler(p, nil)} {
		slog.New(h).Info("value", "it", v, "in a struct", struct{ V any }{v},
			"in a map", map[string]any{"v": v}, slog.Group("g", "v", v))
	}
	assert.Equal(printer{p}, v, "something else") // a diff by reflection, through unexported fields
	if err, ok := v.(error); ok {
		p.chain(err)
	}
}

// chain prints an error and all errors that it wraps.
func (p *output) chain(err error) {
	fmt.Fprintf(p, "%v %+v %#v\n", err, err, err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			p.print(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			p.print(inner)
		}
	}
}

type printer struct{ p *output }

func (p printer) Errorf(format string, args ...any) { fmt.Fprintf(p.p, format, args...) }

// leak returns the text around the first part of the mark, in plain, hex or base64; "" without one.
func (p *output) leak() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.buf.String()
	forms := []string{
		"CANARY-sec", "secret-0123",
		fmt.Sprintf("%x", "CANARY-sec"), fmt.Sprintf("%X", "CANARY-sec"), "Q0FOQVJZLXNlY3",
	}
	for _, form := range forms {
		if i := strings.Index(text, form); i >= 0 {
			return text[max(0, i-300):min(len(text), i+60)]
		}
	}
	return ""
}

// platform is a RoundTripper to the fake platform. It records where requests go, and counts those
// that have the token.
type platform struct {
	fake *requestertest.Platform
	out  *output

	mu     sync.Mutex
	arrive int // requests with the mark in the Authorization header
}

func (p *platform) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	if strings.Contains(r.Header.Get("Authorization"), mark) {
		p.arrive++
	}
	p.mu.Unlock()
	rest := r.Header.Clone()
	rest.Del("Authorization")
	fmt.Fprintln(p.out, r.Method, r.URL, r.Host, rest) // only the Authorization header has the token
	return p.fake.Client().Transport.RoundTrip(r)
}

func token(n int) string {
	return fmt.Sprintf("%022d.%s.%d", n, mark, n)
}

// platformFaults are the ways in which a response can go wrong. Those that can repeat the token do.
var platformFaults = map[string]requestertest.Fault{
	"none":       nil,
	"reset":      requestertest.Reset(),
	"body_reset": faults.ResetMidBody(),
	"truncated":  faults.Truncated(),
	"oversized":  requestertest.Body(200, "application/json", strings.Repeat(" ", 70<<10)),
	"hang":       requestertest.Hang(),
	"html":       requestertest.HTML(200),
	"panic":      func(http.Handler) http.Handler { return nil },
	"echo_200":   faults.EchoToken(200),
	"echo_400":   faults.EchoToken(400),
	"echo_401":   faults.EchoToken(401),
	"echo_403":   faults.EchoToken(403),
	"echo_404":   faults.EchoToken(404),
	"echo_429":   faults.EchoToken(429),
	"echo_500":   faults.EchoToken(500),
	"echo_503":   faults.EchoToken(503),
	"garbage": echoing(func(token string) requestertest.Fault {
		return requestertest.Raw("garbage " + token)
	}),
	"redirect": echoing(func(token string) requestertest.Fault {
		return faults.Redirect(307, "https://elsewhere.example/?token="+token)
	}),
	"rate_limit": echoing(func(token string) requestertest.Fault {
		return requestertest.RateLimited(token)
	}),
	"firewall": echoing(func(token string) requestertest.Fault {
		return requestertest.Body(403, "text/html", "<html>"+token+"</html>")
	}),
}

// echoing returns a fault that repeats the token of the request.
func echoing(fault func(token string) requestertest.Fault) requestertest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			fault(token)(next).ServeHTTP(w, r)
		})
	}
}

// TestTokenIsOnlyInTheAuthorizationHeader has each fault before the first verification and after
// it.
func TestTokenIsOnlyInTheAuthorizationHeader(t *testing.T) {
	for name, fault := range platformFaults {
		for _, before := range []bool{true, false} {
			when := map[bool]string{true: "before", false: "after"}[before]
			t.Run(name+"/"+when, func(t *testing.T) {
				t.Parallel()
				// In a bubble all goroutines can be idle, so that everything can be printed.
				synctest.Test(t, func(t *testing.T) { scenario(t, fault, before, name == "panic") })
			})
		}
	}
}

func scenario(t *testing.T, fault requestertest.Fault, before, panics bool) {
	out := &output{}
	p := &platform{fake: requestertest.NewPlatform(), out: out}
	first, second := issue(t, p.fake, 1), issue(t, p.fake, 2)
	path := filepath.Join(t.TempDir(), "token")
	// A file that every user can read causes a warning.
	require.NoError(t, os.WriteFile(path, []byte(first.Reveal()), 0o644))

	var transport http.RoundTripper = p
	if panics {
		transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if !before && p.arrive == 0 {
				return p.RoundTrip(r)
			}
			panic(r)
		})
	}
	client, err := requester.New(requester.Production,
		requester.WithHTTPClient(&http.Client{Transport: transport}),
		requester.WithTimeout(50*time.Millisecond))
	require.NoError(t, err)
	logger := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	provider := credentials.Failover(credentials.File(path), credentials.Static(second.Reveal()))
	checker, err := health.New(provider,
		health.WithClient(client), health.WithLogger(logger),
		health.WithStartupTimeout(time.Second), health.WithRejectionRecheck(50*time.Millisecond),
		health.WithInterval(100*time.Millisecond), health.WithMaxStale(800*time.Millisecond),
		health.WithPollInterval(50*time.Millisecond), health.WithBreakerOpen(50*time.Millisecond),
		health.OnChange(func(old, snap *health.Snapshot) {
			token, _ := snap.Token()
			panic(token.Reveal()) // a careless callback
		}))
	require.NoError(t, err)
	defer checker.Close()

	inject := func() {
		if fault != nil && !panics {
			p.fake.SetFaults(fault)
		}
	}
	if before {
		inject()
	}
	synctest.Wait()
	out.look(t, checker)
	err = checker.Start(t.Context())
	if err != nil {
		out.print(err)
	}
	inject()
	serve(t, out, checker, p)
	for range 5 {
		if err := checker.Refresh(t.Context()); err != nil {
			out.print(err)
		}
		out.look(t, checker)
	}
	// Rotation to a valid token, an unknown one, two values that are no token, and an empty file.
	third := issue(t, p.fake, 3)
	p.fake.DeleteToken(first)
	for _, content := range []string{third.Reveal(), token(4), token(5) + " " + mark, mark + "\x00", ""} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		if err := checker.Refresh(t.Context()); err != nil {
			out.print(err)
		}
		out.look(t, checker)
		serve(t, out, checker, p)
	}
	synctest.Wait()
	values := []any{
		provider, client, checker, first, &second, []credentials.Token{third}, map[string]any{"t": first},
	}
	for _, v := range values {
		out.print(v)
	}
	checker.Drain()
	out.look(t, checker)
	require.NoError(t, checker.Close())
	out.look(t, checker)
	serve(t, out, checker, p)

	assert.Empty(t, out.leak())
	if !panics {
		assert.Positive(t, p.arrive, "the token was never sent")
	}
}

// issue makes the platform accept the n-th token.
func issue(t *testing.T, p *requestertest.Platform, n int) credentials.Token {
	t.Helper()
	parsed, err := credentials.ParseToken(token(n))
	require.NoError(t, err)
	p.AcceptToken(requestertest.DefaultAccount().ID, parsed)
	return parsed
}

// look prints everything that a checker returns.
func (p *output) look(t *testing.T, c *health.Checker) {
	snap := c.Snapshot()
	token, tokenErr := c.Snapshot().Token()
	account, accountErr := c.Snapshot().Account()
	values := []any{
		snap, *snap, token, &token, account, tokenErr, accountErr, c.Check(t.Context()),
		snap.State().Err, snap.State().Reasons, snap.TokenFingerprint(), snap.State().TokenSource,
	}
	for _, v := range values {
		if !isnil.Value(v) {
			p.print(v)
		}
	}
}

// serve requests every route of a service, and makes outgoing requests.
func serve(t *testing.T, out *output, c *health.Checker, p *platform) {
	details := middleware.WithDetails(func(*http.Request) bool { return true })
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, _ := middleware.AccountFrom(r.Context())
		_ = json.NewEncoder(w).Encode(account)
	})
	mux := http.NewServeMux()
	page := middleware.WithStatusPage()
	nethttp.RegisterHealth(mux, c, details, page)
	registry := prometheus.NewRegistry()
	registry.MustRegister(tolokaprom.NewCollector(c))
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/account", nethttp.Gate(c, middleware.WithAccountInContext())(handler))
	e := echo.New()
	e.Logger.SetOutput(out)
	echoadapter.RegisterHealth(e, c, details, page)
	e.GET("/account", func(ctx echo.Context) error {
		account, _ := echoadapter.Account(ctx)
		return ctx.JSON(http.StatusOK, account)
	}, echoadapter.GateWithConfig(echoadapter.Config{Checker: c, AccountInContext: true}))
	for _, service := range []http.Handler{mux, e} {
		paths := []string{
			"/healthz", "/healthz?verbose", "/readyz?verbose", "/livez", "/startupz",
			"/statusz", "/metrics", "/account",
		}
		for _, path := range paths {
			w := httptest.NewRecorder()
			service.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			fmt.Fprintln(out, w.Code, w.Header(), w.Body)
		}
	}
	outgoing := nethttp.Transport(c, p)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for _, target := range []string{"https://toloka.dev/api/v1/requester", "https://elsewhere.example/"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		require.NoError(t, err)
		resp, err := outgoing.RoundTrip(req)
		fmt.Fprintln(out, req.URL, req.Header) // the caller's request must not have the token
		var verdict *health.Error
		if errors.As(err, &verdict) {
			out.print(verdict)
		}
		if err != nil {
			continue // an error of the base transport
		}
		_, _ = io.Copy(io.Discard, resp.Body) // the platform's body is not the library's output
		_ = resp.Body.Close()
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestOutput tests that leaks are found.
func TestOutput(t *testing.T) {
	leaks := []any{
		token(1),
		[]byte(token(1)),
		fmt.Errorf("x: %w", errors.New(token(1))),
		struct{ s string }{token(1)},
		&http.Request{Header: http.Header{"Authorization": {token(1)}}},
	}
	for _, leak := range leaks {
		out := &output{}
		out.print(leak)
		assert.NotEmpty(t, out.leak(), "%T", leak)
	}
}
