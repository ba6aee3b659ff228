package middleware_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/middleware"
)

var update = flag.Bool("update", false, "write the files in testdata")

func newStatus(c middleware.Snapshotter, opts ...middleware.HealthOption) http.Handler {
	return must(middleware.Routes(c, append(opts, middleware.WithStatusPage())...))["/statusz"]
}

// statusState is fullState at the time of a bubble, with changes and limits.
func statusState(t testing.TB, reasons ...health.Reason) health.State {
	now := time.Now()
	s := fullState(t, reasons...)
	s.Name = "payments"
	s.VerifiedAt, s.AnsweredAt = now.Add(-90*time.Second), now.Add(-30*time.Second)
	s.Since, s.NextCheck = now.Add(-26*time.Hour), now.Add(20*time.Second)
	s.MaxStale = 15 * time.Minute
	s.MinBalance = decimal.NullDecimal{Decimal: decimal.MustParse("50"), Valid: true}
	s.History = []health.Change{
		{At: now.Add(-27 * time.Hour), From: health.ReasonStarting, To: health.ReasonVerified},
		{
			At: now.Add(-26 * time.Hour), From: health.ReasonVerified, To: health.ReasonStale,
			Err: errors.New("dial tcp 10.0.0.1:443: connection refused"),
		},
	}
	return s
}

func TestStatus_page(t *testing.T) {
	tests := map[string]func(t *testing.T) []middleware.Snapshotter{
		"pass": func(t *testing.T) []middleware.Snapshotter {
			s := statusState(t, health.ReasonVerified)
			s.Err = nil
			s.Shared = shared.Stats{Taken: 40, Given: 3, Mode: "active", Replicas: 12}
			return []middleware.Snapshotter{newChecker(s)}
		},
		"fail": func(t *testing.T) []middleware.Snapshotter {
			s := statusState(t, health.ReasonRejected)
			s.Draining = true
			return []middleware.Snapshotter{newChecker(s)}
		},
		"two": func(t *testing.T) []middleware.Snapshotter {
			s := statusState(t, health.ReasonStale, health.ReasonLowBalance)
			s.Shared = shared.Stats{Taken: 40, Given: 3, Errors: 5, Rejected: 1, Mode: "away", Replicas: 12}
			return []middleware.Snapshotter{newChecker(s), newChecker(health.State{})}
		},
	}
	for name, checkers := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := checkers(t)
				page := newStatus(all[0], toAll, middleware.WithCheckers(all[1:]...))
				rec := ask(page, http.MethodGet, "/statusz")
				assert.Equal(t, http.StatusOK, rec.Code)
				golden := filepath.Join("testdata", "status", name+".html")
				if *update {
					require.NoError(t, os.WriteFile(golden, rec.Body.Bytes(), 0o644))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				assert.Equal(t, string(want), rec.Body.String())
				assertComplete(t, rec.Body.String())
			})
		})
	}
}

// assertComplete checks that the template was executed to its end, and that tags are balanced.
func assertComplete(t *testing.T, page string) {
	t.Helper()
	assert.True(t, strings.HasSuffix(page, "</html>\n"))
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Strict = false
	decoder.AutoClose = []string{"meta"}
	decoder.Entity = xml.HTMLEntity
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

func TestStatus_everyReason(t *testing.T) {
	for _, reason := range reasons() {
		t.Run(reason.String(), func(t *testing.T) {
			endpoint := newStatus(newChecker(fullState(t, reason)), toAll)
			page := ask(endpoint, http.MethodGet, "/").Body.String()
			assertComplete(t, page)
			assert.Contains(t, page, "<title>"+reason.Status().String()+": Toloka credential</title>")
			assert.Contains(t, page, `<p class="status">`+reason.Status().String()+"</p>", "not by colour alone")
			assert.Contains(t, page, "operations.md#"+reason.String()+`"`)
			assert.Contains(t, page, "566ec2b0ff0deeaae5f9d500629de162", "the account, whatever the reason")
			assert.NotContains(t, page, "canarycanary", "the token")
		})
	}
}

func TestStatus_header(t *testing.T) {
	page := newStatus(because(health.ReasonVerified), toAll)
	get := ask(page, http.MethodGet, "/statusz")
	csp := get.Header().Get("Content-Security-Policy")
	assert.Regexp(t, `^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; `+
		`base-uri 'none'; form-action 'none'; frame-ancestors 'none'$`, csp)
	want := http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Length":          get.Header()["Content-Length"],
		"Cache-Control":           {"no-store"},
		"X-Content-Type-Options":  {"nosniff"},
		"Content-Security-Policy": {csp},
		"Referrer-Policy":         {"no-referrer"},
	}
	assert.Equal(t, want, get.Header())
	head := ask(page, http.MethodHead, "/statusz")
	assert.Equal(t, http.StatusOK, head.Code)
	assert.Empty(t, head.Body.String())
	for _, external := range []string{"<script", "src=", "@import", "url(", "style="} {
		assert.NotContains(t, get.Body.String(), external)
	}
}

func TestStatus_hostileText(t *testing.T) {
	const name = `سمير <script>alert(1)</script>"' onload=x `
	s := fullState(t, health.ReasonStale)
	s.Name = name
	s.Account = mustAccount(t, `{"id":"7","public_name":{"EN":"`+
		strings.NewReplacer(`"`, `\"`).Replace(name+strings.Repeat("x", 300))+`"}}`)
	s.Err = errors.New(name)
	s.TokenSource = name
	s.History = []health.Change{{At: since, Err: errors.New(name)}}
	page := ask(newStatus(newChecker(s), toAll), http.MethodGet, "/").Body.String()
	assertComplete(t, page)
	assert.NotContains(t, page, "<script")
	for _, attribute := range regexp.MustCompile(`<[a-z][^>]*>`).FindAllString(page, -1) {
		assert.NotContains(t, attribute, "onload", "text that became an attribute")
	}
	assert.Contains(t, page, "سمير &lt;script&gt;alert(1)&lt;/script&gt;")
}

func TestStatus_errorsThatPanic(t *testing.T) {
	s := fullState(t, health.ReasonStale)
	s.Err = panickingError{}
	s.History = []health.Change{{At: since, To: health.ReasonStale, Err: panickingError{}}}
	page := ask(newStatus(newChecker(s), toAll), http.MethodGet, "/").Body.String()
	assertComplete(t, page)
	assert.Equal(t, 2, strings.Count(page,
		"an error of type middleware_test.panickingError, which cannot be printed"))
}

type panickingError struct{}

func (panickingError) Error() string { panic("no text") }

func TestStatus_nilSnapshot(t *testing.T) {
	page := ask(newStatus(&checker{}, toAll), http.MethodGet, "/").Body.String()
	assertComplete(t, page)
	assert.Contains(t, page, "<title>fail: Toloka credential</title>")
}

func TestStatus_refuses(t *testing.T) {
	problem := func(status, title, detail string) string {
		return `{"type":"about:blank","title":"` + title + `","status":` + status +
			`,"detail":"` + detail + `"}`
	}
	forbidden := problem("403", "Forbidden",
		"The status page is for operators. The service decides who they are.")
	panics := middleware.WithDetails(func(*http.Request) bool { panic("the policy is broken") })
	tests := map[string]struct {
		policy middleware.HealthOption
		method string
		code   int
		body   string
	}{
		"not allowed":          {toNone, http.MethodGet, 403, forbidden},
		"a policy that panics": {panics, http.MethodGet, 403, forbidden},
		"POST": {toAll, http.MethodPost, 405, problem("405", "Method Not Allowed",
			"The status page answers GET and HEAD.")},
		"OPTIONS": {toAll, http.MethodOptions, 405, problem("405", "Method Not Allowed",
			"The status page answers GET and HEAD.")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rec := ask(newStatus(because(health.ReasonVerified), tt.policy), tt.method, "/statusz")
			assert.Equal(t, tt.code, rec.Code)
			assert.Equal(t, tt.body, rec.Body.String())
			assert.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
		})
	}
}

func TestWithStatusPage(t *testing.T) {
	good := because(health.ReasonVerified)
	paths := func(opts ...middleware.HealthOption) []string {
		return slices.Sorted(maps.Keys(must(middleware.Routes(good, opts...))))
	}
	four := []string{"/healthz", "/livez", "/readyz", "/startupz"}
	assert.Equal(t, four, paths(toAll), "off by default")
	assert.Equal(t, append(slices.Clip(four), "/statusz"), paths(toAll, middleware.WithStatusPage()))
	assert.Equal(t, append(slices.Clip(four), "/state"),
		paths(middleware.WithStatusPage(), toAll, middleware.WithPath("/statusz", "/state")))
	assert.Equal(t, four, paths(toAll, middleware.WithPath("/statusz", "/healthz")), "moved, but off")

	_, err := middleware.Routes(good, middleware.WithStatusPage())
	assert.EqualError(t, err,
		"middleware: Routes: the status page needs WithDetails, which decides who may see it")
}

func TestDetailsDocument_changes(t *testing.T) {
	s := fullState(t, health.ReasonRejected)
	s.History = []health.Change{
		{At: since, From: health.ReasonStarting, To: health.ReasonVerified},
		{
			At: since.Add(time.Hour), From: health.ReasonVerified, To: health.ReasonRejected,
			Err: errors.New("refused"),
		},
	}
	body := ask(newHealth(newChecker(s), toAll), http.MethodGet, "/healthz?verbose").Body.String()
	assert.Contains(t, body, `"changes":[`+
		`{"time":"2026-03-01T12:00:00Z","from":"verified","to":"rejected","cause":"refused"},`+
		`{"time":"2026-03-01T11:00:00Z","from":"starting","to":"verified"}]`)
}

func TestDetailsDocument_insufficientBalance(t *testing.T) {
	c := newChecker(fullState(t, health.ReasonInsufficientBalance))
	body := ask(newHealth(c, toAll), http.MethodGet, "/healthz?verbose").Body.String()
	assert.Contains(t, body, `"toloka:balance":[{"componentType":"component","status":"fail",`)
}
