package requestcopy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWildcard(t *testing.T) {
	tests := map[string][]string{
		"":                                nil,
		"/":                               nil,
		"GET /tasks":                      nil,
		"/{$}":                            nil,
		"/{id}":                           {"id"},
		"GET example.com/{a}/b/{c...}":    {"a", "c"},
		"/{a}/{$}":                        {"a"},
		"/{":                              nil,
		"/}{":                             nil,
		"/{}/{a}":                         {"a"},
		"/users/{id:[0-9]+}/of/{company}": {"id:[0-9]+", "company"}, // chi's; has no such value
	}
	for pattern, want := range tests {
		t.Run(pattern, func(t *testing.T) {
			var got []string
			for rest := pattern; ; {
				var name string
				if name, rest = wildcard(rest); name == "" {
					break
				}
				got = append(got, name)
			}
			assert.Equal(t, want, got)
		})
	}
}

// FuzzHandBack compares a request that a ServeMux has matched itself with one whose copy it has
// matched.
func FuzzHandBack(f *testing.F) {
	for _, pattern := range []string{"/{id}", "GET /a/{b}/{c...}", "/{$}", "/a/", "example.com/{x}/{$}"} {
		f.Add(pattern, "/a/b/c")
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		mux := http.NewServeMux()
		if !registers(mux, pattern) || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \r\n%?#") {
			return
		}
		request := func() *http.Request {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.URL.Path = path
			return r
		}
		want, got := request(), request()
		mux.ServeHTTP(httptest.NewRecorder(), want)
		inner := got.WithContext(t.Context())
		mux.ServeHTTP(httptest.NewRecorder(), inner)
		HandBack(got, inner)
		assert.Equal(t, want.Pattern, got.Pattern)
		for name, rest := wildcard(pattern); name != ""; name, rest = wildcard(rest) {
			assert.Equal(t, want.PathValue(name), got.PathValue(name), name)
		}
	})
}

// registers reports whether the pattern is valid.
func registers(mux *http.ServeMux, pattern string) (ok bool) {
	defer func() { _ = recover() }()
	mux.Handle(pattern, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return true
}

func TestHandBack_allocations(t *testing.T) {
	outer := httptest.NewRequest(http.MethodGet, "/", nil)
	inner := outer.WithContext(t.Context())
	inner.Pattern = "GET /tasks"
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		outer.Pattern = ""
		HandBack(outer, inner)
	}))
}
