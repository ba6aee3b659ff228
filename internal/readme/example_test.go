package readme

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"syscall"

	"github.com/govalues/decimal"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// fake starts a platform with one account and puts a token of it where Default looks.
func fake() (client *requester.Client, stop func()) {
	platform := requestertest.NewServer()
	client, err := requester.New(requester.Production, requester.WithBaseURL(platform.URL))
	if err != nil {
		panic(err)
	}
	if err := os.Setenv("TOLOKA_TOKEN", platform.IssueToken("").Reveal()); err != nil {
		panic(err)
	}
	return client, func() {
		platform.Close()
		_ = os.Unsetenv("TOLOKA_TOKEN")
	}
}

// ask prints what a server answers.
func ask(h http.Handler, path string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	fmt.Println(path, w.Code, w.Body)
}

func Example_echo() {
	client, stop := fake()
	defer stop()
	checker := running(client)
	defer checker.Close()
	tasks := func(c echo.Context) error { return c.String(http.StatusOK, "the tasks") }

	e := echo.New()
	echoadapter.RegisterHealth(e, checker)
	e.Group("/tasks", echoadapter.Gate(checker)).GET("", tasks) // an echo.HandlerFunc
	ask(e, "/healthz")
	ask(e, "/tasks")
	// Output:
	// /healthz 200 {"status":"pass"}
	// /tasks 200 the tasks
}

// running is a checker that has verified its token, for the snippets that need one.
func running(client *requester.Client) *health.Checker {
	checker, err := health.New(credentials.Default(), health.WithClient(client))
	if err != nil {
		panic(err)
	}
	if err := checker.Start(context.Background()); err != nil {
		panic(err)
	}
	return checker
}

// framework stands for a health framework.
type framework struct{}

func (framework) Register(name string, check func(context.Context) error) {
	fmt.Println(name, check(context.Background()))
}

func Example_worker() {
	client, stop := fake()
	defer stop()
	checker := running(client)
	defer checker.Close()
	var framework framework
	err := func(ctx context.Context) error {
		if err := checker.WaitVerified(ctx); err != nil { // after Start: waits until the token can be used
			return err
		}
		framework.Register("toloka", checker.PublicReadiness) // the verdict of /readyz, which clients may see
		account, err := checker.Snapshot().Account()          // before each job; the error is for logs
		fmt.Println(account.ID())
		return err
	}(context.Background())
	fmt.Println(err)
	// Output:
	// toloka <nil>
	// 566ec2b0ff0deeaae5f9d500629de162
	// <nil>
}

func Example_callers() {
	platform := requestertest.NewServer()
	defer platform.Close()
	client, err := requester.New(requester.Production, requester.WithBaseURL(platform.URL))
	if err != nil {
		panic(err)
	}
	checker, err := health.New(credentials.Default(), health.WithClient(client))
	if err != nil {
		panic(err)
	}
	defer checker.Close()
	mine := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := middleware.CallerFrom(r.Context()) // always present behind the gate
		fmt.Fprintln(w, "the tasks of", caller.Account.ID())
	})
	mux := http.NewServeMux()
	registry := prometheus.NewRegistry()
	_ = func() error {
		callers, err := middleware.NewCallers(client) // one for all routes
		if err != nil {
			return err
		}
		defer callers.Close()
		mux.Handle("GET /mine", nethttp.Callers(callers)(mine)) // mine: middleware.CallerFrom(r.Context())

		registry.MustRegister(tolokaprom.NewCallersCollector(callers))
		nethttp.RegisterHealth(mux, checker, middleware.WithDetails(middleware.LoopbackOnly),
			middleware.WithStatusPage(), middleware.WithCallers(callers))

		for _, token := range []string{platform.IssueToken("").Reveal(), "made-up"} {
			r := httptest.NewRequest(http.MethodGet, "/mine", nil)
			r.Header.Set("Authorization", "ApiKey "+token)
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			fmt.Println(w.Code, w.Body)
		}
		return nil
	}()
	// Output:
	// 200 the tasks of 566ec2b0ff0deeaae5f9d500629de162
	//
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"detail":"Send a valid API token as Authorization: ApiKey TOKEN."}
}

func Example_outgoing() {
	client, stop := fake()
	defer stop()
	checker := running(client)
	defer checker.Close()

	platform := &http.Client{Transport: nethttp.Transport(checker, nil)}
	resp, err := platform.Get(client.BaseURL().JoinPath("/api/v1/requester").String())
	var verdict *health.Error
	if errors.As(err, &verdict) {
		fmt.Println("the credential is invalid:", verdict.Reason)
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	// Output: 200
}

func Example_options() {
	checker, err := health.New(
		credentials.Failover(
			credentials.File("/etc/toloka/token"),
			credentials.Env("TOLOKA_TOKEN_SPARE")),
		health.WithName("payouts"),
		health.ExpectAccount("566ec2b0ff0deeaae5f9d500629de162"),
		health.WithMinBalance(decimal.MustParse("50")),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer checker.Close()
	fmt.Println(checker.Snapshot().State().Name, checker.Snapshot().Reason())
	// Output: payouts starting
}

func Example_severalCheckers() {
	client, stop := fake()
	defer stop()
	payouts, labels := running(client), running(client)
	defer payouts.Close()
	defer labels.Close()
	mux := http.NewServeMux()

	nethttp.RegisterHealth(mux, payouts, middleware.WithCheckers(labels))
	ask(mux, "/healthz")
	labels.Close()
	ask(mux, "/healthz")
	// Output:
	// /healthz 200 {"status":"pass"}
	// /healthz 503 {"status":"fail"}
}

func Example_details() {
	client, stop := fake()
	defer stop()
	checker := running(client)
	defer checker.Close()
	mux := http.NewServeMux()

	nethttp.RegisterHealth(mux, checker, middleware.WithDetails(middleware.LoopbackOnly))
	ask(mux, "/healthz?verbose")
	// Output: /healthz?verbose 200 {"status":"pass"}
}

func Example_sighup() {
	client, stop := fake()
	defer stop()
	checker := running(client)
	defer checker.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	refreshed := make(chan error, 1)

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	go func() {
		for range hangup {
			refreshed <- checker.Refresh(ctx)
		}
	}()
	hangup <- syscall.SIGHUP
	fmt.Println(<-refreshed)
	close(hangup)
	// Output: <nil>
}

func Example_test() {
	platform := requestertest.NewServer()
	defer platform.Close()
	token := platform.IssueToken("")
	client, err := requester.New(requester.Production, requester.WithBaseURL(platform.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	checker, err := health.New(credentials.Static(token.Reveal()), health.WithClient(client))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer checker.Close()
	fmt.Println(checker.Start(context.Background()))

	platform.SetFaults(requestertest.Status(503))
	_ = checker.Refresh(context.Background())
	fmt.Println(checker.Snapshot().Status(), checker.Snapshot().Reason())
	// Output:
	// <nil>
	// warn stale
}
