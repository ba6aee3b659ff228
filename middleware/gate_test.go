package middleware_test

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

const problemBody = `{"type":"about:blank","title":"Service Unavailable","status":503,` +
	`"detail":"The service cannot handle this request at the moment. Try again later."}`

func closedHeader(retryAfter string) http.Header {
	return http.Header{
		"Content-Type":           {"application/problem+json"},
		"Content-Length":         {"147"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
		"Retry-After":            {retryAfter},
	}
}

// spy is a handler that records its last call.
type spy struct {
	calls int
	w     http.ResponseWriter
	r     *http.Request
}

func (s *spy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls++
	s.w, s.r = w, r
	w.WriteHeader(http.StatusTeapot)
}

func TestGate(t *testing.T) {
	for _, reason := range reasons() {
		t.Run(reason.String(), func(t *testing.T) {
			var next spy
			rec, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/tasks", nil)
			newGate(because(reason)).Wrap(&next).ServeHTTP(rec, r)
			if reason.Status() == health.StatusFail {
				assert.Zero(t, next.calls)
				assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
				assert.Equal(t, closedHeader("7"), rec.Header())
				assert.Equal(t, problemBody, rec.Body.String())
				return
			}
			assert.Equal(t, 1, next.calls)
			assert.Same(t, rec, next.w)
			assert.Same(t, r, next.r)
			assert.Equal(t, http.StatusTeapot, rec.Code)
			assert.Empty(t, rec.Header())
		})
	}
	states := map[string]struct {
		state health.State
		want  int
	}{
		"low balance that fails": {
			health.State{Reasons: []health.Reason{health.ReasonInsufficientBalance}},
			http.StatusServiceUnavailable,
		},
		"draining": {
			health.State{Reasons: []health.Reason{health.ReasonVerified}, Draining: true},
			http.StatusTeapot,
		},
		"ready while unreachable": {
			health.State{
				Reasons: []health.Reason{health.ReasonUnreachable}, KeepReady: true, VerifiedAt: time.Unix(1, 0),
			},
			http.StatusServiceUnavailable,
		},
	}
	for name, tt := range states {
		t.Run(name, func(t *testing.T) {
			gate := newGate(newChecker(tt.state)).Wrap(&spy{})
			assert.Equal(t, tt.want, ask(gate, http.MethodGet, "/tasks").Code)
		})
	}

	t.Run("HEAD", func(t *testing.T) {
		rec := ask(newGate(because(health.ReasonRejected)).Wrap(&spy{}), http.MethodHead, "/tasks")
		assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
		assert.Equal(t, closedHeader("7"), rec.Header())
		assert.Empty(t, rec.Body.String())
	})
	t.Run("one snapshot per request", func(t *testing.T) {
		c := because(health.ReasonVerified)
		gate := newGate(c).Wrap(&spy{})
		for range 3 {
			ask(gate, http.MethodGet, "/tasks")
		}
		assert.EqualValues(t, 3, c.calls.Load())
	})
	t.Run("follows the checker", func(t *testing.T) {
		c := because(health.ReasonStarting)
		gate := newGate(c).Wrap(&spy{})
		assert.Equal(t, http.StatusServiceUnavailable, ask(gate, http.MethodGet, "/tasks").Code)
		c.set(health.State{Reasons: []health.Reason{health.ReasonVerified}})
		assert.Equal(t, http.StatusTeapot, ask(gate, http.MethodGet, "/tasks").Code)
		c.set(health.State{Reasons: []health.Reason{health.ReasonUnreachable}, RetryAfter: time.Minute})
		rec := ask(gate, http.MethodGet, "/tasks")
		assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
		assert.Equal(t, closedHeader("60"), rec.Header())
	})
	t.Run("header modified by outer middleware", func(t *testing.T) {
		gate := newGate(because(health.ReasonRejected)).Wrap(&spy{})
		for key := range closedHeader("7") {
			ask(gate, http.MethodGet, "/tasks").Header().Add(key, "more")
		}
		assert.Equal(t, closedHeader("7"), ask(gate, http.MethodGet, "/tasks").Header())
	})
	t.Run("nil handler", func(t *testing.T) {
		gate := newGate(because(health.ReasonVerified))
		assert.PanicsWithValue(t, "middleware: Gate.Wrap: nil handler", func() { gate.Wrap(nil) })
		assert.PanicsWithValue(t, "middleware: Gate.Wrap: nil handler", func() { gate.Wrap(http.HandlerFunc(nil)) })
	})
}

func TestRetryAfter(t *testing.T) {
	tests := map[string]struct {
		wait time.Duration
		want string
	}{
		"zero":             {0, "1"},
		"negative":         {-time.Hour, "1"},
		"nanosecond":       {1, "1"},
		"second":           {time.Second, "1"},
		"just over second": {time.Second + 1, "2"},
		"half a minute":    {30 * time.Second, "30"},
		"longest":          {1<<63 - 1, "9223372037"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newChecker(health.State{RetryAfter: tt.wait})
			for _, h := range []http.Handler{newGate(c).Wrap(&spy{}), newHealth(c), newStartup(c)} {
				assert.Equal(t, tt.want, ask(h, http.MethodGet, "/").Header().Get("Retry-After"))
			}
		})
	}
}

func TestWithSkipper(t *testing.T) {
	public := middleware.WithSkipper(func(r *http.Request) bool { return r.URL.Path == "/public" })

	t.Run("skipped without reading the checker", func(t *testing.T) {
		c := because(health.ReasonRejected)
		gate := newGate(c, public).Wrap(&spy{})
		assert.Equal(t, http.StatusTeapot, ask(gate, http.MethodGet, "/public").Code)
		assert.Zero(t, c.calls.Load())
		assert.Equal(t, http.StatusServiceUnavailable, ask(gate, http.MethodGet, "/private").Code)
	})
	t.Run("no account", func(t *testing.T) {
		var next spy
		gate := newGate(verified(t, accountBody), public, middleware.WithAccountInContext())
		ask(gate.Wrap(&next), http.MethodGet, "/public")
		_, ok := middleware.AccountFrom(next.r.Context())
		assert.False(t, ok)
	})
}

func TestWithRejectionHandler(t *testing.T) {
	cause := errors.New("401 from the platform")
	c := newChecker(health.State{
		Name: "orders", Reasons: []health.Reason{health.ReasonRejected}, Err: cause,
		RetryAfter: 1500 * time.Millisecond,
	})
	t.Run("closed", func(t *testing.T) {
		var got *health.Error
		gate := newGate(c, middleware.WithRejectionHandler(
			func(w http.ResponseWriter, _ *http.Request, rejection *middleware.Rejection) {
				assert.Equal(t, http.StatusServiceUnavailable, rejection.Status())
				require.ErrorAs(t, rejection.Err(), &got)
				http.Error(w, "back soon", http.StatusServiceUnavailable)
			}))
		rec := ask(gate.Wrap(&spy{}), http.MethodGet, "/tasks")
		assert.Equal(t, &health.Error{Name: "orders", Reason: health.ReasonRejected, Err: cause}, got)
		require.ErrorIs(t, got, cause)
		assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
		assert.Equal(t, "back soon\n", rec.Body.String())
		assert.Equal(t, http.Header{
			"Content-Type":           {"text/plain; charset=utf-8"},
			"X-Content-Type-Options": {"nosniff"},
			"Cache-Control":          {"no-store"},
			"Retry-After":            {"2"},
		}, rec.Header())
	})
	t.Run("default response", func(t *testing.T) {
		gate := newGate(c, middleware.WithRejectionHandler(
			func(w http.ResponseWriter, r *http.Request, rejection *middleware.Rejection) {
				rejection.ServeHTTP(w, r)
			}))
		assert.Equal(t, ask(newGate(c).Wrap(&spy{}), http.MethodGet, "/tasks"),
			ask(gate.Wrap(&spy{}), http.MethodGet, "/tasks"))
	})
	t.Run("open", func(t *testing.T) {
		gate := newGate(because(health.ReasonVerified), middleware.WithRejectionHandler(
			func(http.ResponseWriter, *http.Request, *middleware.Rejection) { t.Error("called") }))
		assert.Equal(t, http.StatusTeapot, ask(gate.Wrap(&spy{}), http.MethodGet, "/tasks").Code)
	})
}

func TestGateAdmit(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)

	t.Run("open", func(t *testing.T) {
		got, rejection := newGate(because(health.ReasonStale)).Admit(r)
		assert.Same(t, r, got)
		assert.Nil(t, rejection)
	})
	t.Run("closed", func(t *testing.T) {
		gate := newGate(because(health.ReasonRejected))
		got, first := gate.Admit(r)
		_, second := gate.Admit(r)
		assert.Same(t, r, got)
		assert.Same(t, first, second, "one rejection per snapshot")
		assert.Equal(t, &health.Error{Reason: health.ReasonRejected}, first.Err())
	})
}

// TestGate_handsBack puts a gate that copies the request outside of a ServeMux, and metrics
// middleware outside of the gate.
func TestGate_handsBack(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tasks/{id}/files/{path...}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /about/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /panics/{id}", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("POST /form", func(_ http.ResponseWriter, r *http.Request) { _ = r.FormValue("color") })
	gate := withAccount(verified(t, accountBody)).Wrap(mux)

	type seen struct{ pattern, id, path, color string }
	var got seen
	metrics := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			got = seen{r.Pattern, r.PathValue("id"), r.PathValue("path"), r.Form.Get("color")}
			_, ok := middleware.AccountFrom(r.Context())
			assert.False(t, ok, "the account stays inside the gate")
		}()
		gate.ServeHTTP(w, r)
	})
	get := func(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }
	form := httptest.NewRequest(http.MethodPost, "/form", strings.NewReader("color=red"))
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	outside := get("/tasks/7/files/x")
	outside.SetPathValue("id", "of an outer router")
	tests := map[string]struct {
		r    *http.Request
		want seen
	}{
		"wildcards":        {get("/tasks/7/files/a/b"), seen{"GET /tasks/{id}/files/{path...}", "7", "a/b", ""}},
		"end of path":      {get("/about/"), seen{pattern: "GET /about/{$}"}},
		"not found":        {get("/nowhere"), seen{}},
		"form":             {form, seen{pattern: "POST /form", color: "red"}},
		"outer path value": {outside, seen{"GET /tasks/{id}/files/{path...}", "7", "x", ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			metrics.ServeHTTP(httptest.NewRecorder(), tt.r)
			assert.Equal(t, tt.want, got)
		})
	}
	t.Run("panic", func(t *testing.T) {
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
			metrics.ServeHTTP(httptest.NewRecorder(), get("/panics/7"))
		})
		assert.Equal(t, seen{pattern: "GET /panics/{id}", id: "7"}, got)
	})
	t.Run("outer mux", func(t *testing.T) {
		outer := http.NewServeMux()
		outer.Handle("/{version}/", http.StripPrefix("/v1", gate))
		r := get("/v1/tasks/7/files/a")
		outer.ServeHTTP(httptest.NewRecorder(), r)
		assert.Equal(t, "v1", r.PathValue("version"))
	})
}

// TestGate_removesTemporaryFiles checks that net/http's server, which knows only the original
// request, removes the files of a multipart form that the handler parsed on the copy.
func TestGate_removesTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	files := func() int {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		return len(entries)
	}
	during := 0
	gate := withAccount(verified(t, accountBody)).Wrap(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			assert.NoError(t, r.ParseMultipartForm(1))
			during = files()
		}))
	server := httptest.NewServer(gate)
	var body strings.Builder
	form := multipart.NewWriter(&body)
	_, err := io.WriteString(must(form.CreateFormFile("file", "a.txt")), strings.Repeat("a", 11<<20))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	resp, err := server.Client().Post(server.URL, form.FormDataContentType(), strings.NewReader(body.String()))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	server.Close() // waits for the request to finish
	assert.Equal(t, 1, during)
	assert.Zero(t, files())
}
