package nethttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func newCallers(t testing.TB, p *requestertest.Platform) *middleware.Callers {
	client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()))
	require.NoError(t, err)
	c, err := middleware.NewCallers(client)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestCallers(t *testing.T) {
	p := requestertest.NewPlatform()
	good, made := p.IssueToken("1").Reveal(), p.IssueToken("2")
	p.DeleteToken(made)
	var pattern string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tasks/{id}", func(w http.ResponseWriter, r *http.Request) {
		caller, _ := middleware.CallerFrom(r.Context())
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, caller.Account.ID()+" "+r.Header.Get("Authorization")+string(body))
	})
	gated := nethttp.Callers(newCallers(t, p))(mux)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gated.ServeHTTP(w, r)
		pattern = r.Pattern // as a metrics middleware reads it
	})
	for _, proto := range []struct{ major, minor int }{{1, 1}, {1, 0}} {
		for token, want := range map[string]int{good: 200, made.Reveal(): 401, "": 401} {
			r := httptest.NewRequest(http.MethodPost, "/tasks/7", nil)
			r.ProtoMajor, r.ProtoMinor = proto.major, proto.minor
			r.Header.Set("Authorization", "ApiKey "+token)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			assert.Equal(t, want, rec.Code)
			if want == 200 {
				assert.Equal(t, "1 ", rec.Body.String())
				assert.Equal(t, "POST /tasks/{id}", pattern)
			}
		}
	}
	assert.PanicsWithError(t,
		"middleware: NewCallerGate: the Callers is nil; handle the error of NewCallers first",
		func() { nethttp.Callers(nil) })
	assert.PanicsWithError(t,
		"middleware: NewCallerGate: the Callers is nil; handle the error of NewCallers first\n"+
			"AllowAccounts: the list is empty: no caller would be admitted",
		func() { nethttp.ForwardAuth(nil, middleware.AllowAccounts()) })
	assert.PanicsWithValue(t, "middleware: CallerGate.Wrap: nil handler",
		func() { nethttp.Callers(newCallers(t, p))(nil) })
}

// A hit allocates the context and the request that carries it, and nothing else.
func TestCallers_allocations(t *testing.T) {
	p := requestertest.NewPlatform()
	h := nethttp.Callers(newCallers(t, p))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	values := []string{"ApiKey " + p.IssueToken("1").Reveal()}
	w := httptest.NewRecorder()
	serve := func() {
		r.Header["Authorization"] = values
		h.ServeHTTP(w, r)
	}
	serve()
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, serve), 2.0)
}

func ExampleCallers() {
	platform := requestertest.NewPlatform() // in a service: requester.Production
	client, err := requester.New(requester.Production, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	callers, err := middleware.NewCallers(client)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer callers.Close()
	tasks := nethttp.Callers(callers, middleware.AllowAccounts("566ec2b0"))(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			caller, _ := middleware.CallerFrom(r.Context())
			fmt.Println("hello,", caller.Account.ID())
		}))

	for _, account := range []string{"566ec2b0", "another"} {
		r := httptest.NewRequest(http.MethodGet, "/tasks", nil)
		r.Header.Set("Authorization", "ApiKey "+platform.IssueToken(account).Reveal())
		w := httptest.NewRecorder()
		tasks.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// hello, 566ec2b0
	// 200
	// 403
}
