package readme

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/govalues/decimal"
	"github.com/labstack/echo/v4"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
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

func Example_netHTTP() {
	client, stop := fake()
	defer stop()
	mux := http.NewServeMux()
	logger := slog.New(slog.DiscardHandler)
	tasks := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the tasks") })
	server := &http.Server{Addr: "127.0.0.1:0", Handler: mux}
	defer server.Close()
	err := func(ctx context.Context) error {
		checker, err := health.New(credentials.Default(),
			health.WithLogger(logger),
			health.WithClient(client)) // without it: production
		if err != nil {
			return err
		}
		defer checker.Close()
		nethttp.RegisterHealth(mux, checker)               // /healthz /readyz /livez /startupz
		mux.Handle("/tasks", nethttp.Gate(checker)(tasks)) // 503 while the credential is not good
		go server.ListenAndServe()                         // listen first: probes get answers while Start waits
		if err := checker.Start(ctx); err != nil {         // verified, or a clear error
			return err
		}
		ask(mux, "/healthz")
		ask(mux, "/tasks")
		return nil
	}(context.Background())
	fmt.Println(err)
	// Output:
	// /healthz 200 {"status":"pass"}
	// /tasks 200 the tasks
	// <nil>
}

func Example_echo() {
	client, stop := fake()
	defer stop()
	logger := slog.New(slog.DiscardHandler)
	tasks := func(c echo.Context) error { return c.String(http.StatusOK, "the tasks") }
	err := func(ctx context.Context) error {
		e := echo.New()
		e.HideBanner, e.HidePort = true, true
		defer e.Close()
		checker, err := health.New(credentials.Default(),
			health.WithLogger(logger),
			health.WithClient(client))
		if err != nil {
			return err
		}
		defer checker.Close()
		echoadapter.RegisterHealth(e, checker)
		e.Group("/tasks", echoadapter.Gate(checker)).GET("", tasks)
		go e.Start("127.0.0.1:0")
		if err := checker.Start(ctx); err != nil {
			return err
		}
		ask(e, "/healthz")
		ask(e, "/tasks")
		return nil
	}(context.Background())
	fmt.Println(err)
	// Output:
	// /healthz 200 {"status":"pass"}
	// /tasks 200 the tasks
	// <nil>
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

func Example_account() {
	client, stop := fake()
	defer stop()
	checker := running(client)
	defer checker.Close()

	account, err := checker.Account() // from memory; an error while the status is fail
	if err != nil {
		fmt.Println(err)
		return
	}
	balance, known := account.Balance() // exact, in US dollars
	slog.Debug("account", "id", account.ID(), "name", account.Name("EN"), "balance", balance, "known", known)
	fmt.Println(account.ID() == requestertest.DefaultAccount().ID)
	// Output: true
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
		fmt.Println("the credential is not good:", verdict.Reason)
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
	fmt.Println(checker.Snapshot().Name(), checker.Snapshot().Reason())
	// Output: payouts starting
}

func Example_severalCheckers() {
	client, stop := fake()
	defer stop()
	payouts, labels := running(client), running(client)
	defer payouts.Close()
	defer labels.Close()
	mux := http.NewServeMux()

	nethttp.RegisterHealth(mux, payouts, middleware.WithCheckers(labels)) // the worst of the two
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

	nethttp.RegisterHealth(mux, checker, middleware.WithDetails(func(r *http.Request) bool {
		peer, err := netip.ParseAddrPort(r.RemoteAddr) // nobody chooses where a connection comes from, but from a
		return err == nil && peer.Addr().IsLoopback()  // proxy on this machine they all come from here
	}))
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
			refreshed <- checker.Refresh(ctx) // reads the source again and verifies now
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
	token := platform.IssueToken(requestertest.DefaultAccount().ID)
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
