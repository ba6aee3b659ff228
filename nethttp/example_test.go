package nethttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// newChecker returns a checker of a valid token on a fake platform. A service calls
// health.New(credentials.Default()).
func newChecker(opts ...health.Option) *health.Checker {
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	opts = append(opts, health.WithClient(client), health.WithLogger(slog.New(slog.DiscardHandler)))
	checker, err := health.New(credentials.Static(platform.IssueToken("").Reveal()), opts...)
	if err != nil {
		log.Fatal(err)
	}
	return checker
}

// show sends a request to the service and prints the start of the answer.
func show(service http.Handler, method, target string) {
	rec := httptest.NewRecorder()
	service.ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	fmt.Println(strings.TrimSpace(fmt.Sprintf("%s %s %d %.54s", method, target, rec.Code, rec.Body)))
}

// A service registers its routes and listens before it calls Start, so that probes are answered
// while Start waits for the platform.
func Example() {
	checker := newChecker()
	defer checker.Close()

	tasks := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the tasks")
	})
	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker) // /healthz /readyz /livez /startupz
	mux.Handle("GET /tasks", nethttp.Gate(checker)(tasks))

	show(mux, "GET", "/healthz")
	show(mux, "GET", "/tasks")

	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	show(mux, "GET", "/healthz")
	show(mux, "GET", "/tasks")

	// Output:
	// GET /healthz 503 {"status":"fail"}
	// GET /tasks 503 {"type":"about:blank","title":"Service Unavailable","s
	// GET /healthz 200 {"status":"pass"}
	// GET /tasks 200 the tasks
}

// A handler behind a gate gets the verified account.
func ExampleGate_account() {
	checker := newChecker()
	defer checker.Close()
	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	gate := nethttp.Gate(checker, middleware.WithAccountInContext())
	service := gate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, ok := middleware.AccountFrom(r.Context())
		if !ok {
			http.Error(w, "no account", http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(account)
	}))
	show(service, "GET", "/account")

	// Output:
	// GET /account 200 {"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121
}

// A service can log why the gate is closed and write its own response. Retry-After is already set.
func ExampleGate_rejectionHandler() {
	checker := newChecker() // not started
	defer checker.Close()

	gate := nethttp.Gate(checker, middleware.WithRejectionHandler(
		func(w http.ResponseWriter, _ *http.Request, rejection *middleware.Rejection) {
			var verdict *health.Error
			if errors.As(rejection.Err(), &verdict) {
				fmt.Println("log:", verdict.Reason)
			}
			w.WriteHeader(rejection.Status())
			_, _ = io.WriteString(w, "We will be back soon.")
		}))
	show(gate(http.NotFoundHandler()), "GET", "/tasks")

	// Output:
	// log: starting
	// GET /tasks 503 We will be back soon.
}

// Options change the paths, add a prefix and leave endpoints out. Load balancers may use GET, HEAD
// or OPTIONS, with or without a slash at the end.
func ExampleRegisterHealth() {
	checker := newChecker()
	defer checker.Close()

	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker,
		middleware.WithPrefix("/internal"),
		middleware.WithPath("/healthz", "/health"),
		middleware.WithPath("/readyz", ""),
	)
	show(mux, "OPTIONS", "/internal/health")
	show(mux, "GET", "/internal/livez/")
	show(mux, "GET", "/internal/readyz")

	// Output:
	// OPTIONS /internal/health 503 {"status":"fail"}
	// GET /internal/livez/ 200 {"status":"pass"}
	// GET /internal/readyz 404 404 page not found
}

// One endpoint answers for several checkers, with the worst of their verdicts.
func ExampleRegisterHealth_severalCheckers() {
	orders, billing := newChecker(health.WithName("orders")), newChecker(health.WithName("billing"))
	defer orders.Close()
	defer billing.Close()

	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, orders, middleware.WithCheckers(billing))

	_ = orders.Start(context.Background())
	show(mux, "GET", "/healthz")
	_ = billing.Start(context.Background())
	show(mux, "GET", "/healthz")

	// Output:
	// GET /healthz 503 {"status":"fail"}
	// GET /healthz 200 {"status":"pass"}
}

// Details are only for trusted clients, here for all that reach a separate listener for operators.
// On the public listener the answer is the same with and without ?verbose.
func ExampleRegisterHealth_details() {
	checker := newChecker()
	defer checker.Close()
	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	public, operators := http.NewServeMux(), http.NewServeMux()
	nethttp.RegisterHealth(public, checker)
	nethttp.RegisterHealth(operators, checker,
		middleware.WithDetails(func(*http.Request) bool { return true }))

	show(public, "GET", "/healthz?verbose")

	rec := httptest.NewRecorder()
	operators.ServeHTTP(rec, httptest.NewRequest("GET", "/healthz?verbose", nil))
	var details struct {
		Checks struct {
			Account []struct{ ObservedValue, PublicName string }       `json:"toloka:account"`
			Balance []struct{ ObservedValue, ObservedUnit json.Token } `json:"toloka:balance"`
		}
	}
	_ = json.Unmarshal(rec.Body.Bytes(), &details)
	fmt.Println(details.Checks.Account[0], details.Checks.Balance[0])

	// Output:
	// GET /healthz?verbose 200 {"status":"pass"}
	// {566ec2b0ff0deeaae5f9d500629de162 Jack Smith} {121.3 USD}
}

// A proxy in front of the platform that adds the service's token. Rewrite and SetURL set the Host
// of the platform; with the client's Host the request would get no token.
func ExampleTransport_reverseProxy() {
	fake := requestertest.NewServer()
	defer fake.Close()
	client, err := requester.New(requester.Production, requester.WithBaseURL(fake.URL))
	if err != nil {
		log.Fatal(err)
	}
	checker, err := health.New(credentials.Static(fake.IssueToken("").Reveal()), health.WithClient(client))
	if err != nil {
		log.Fatal(err)
	}
	defer checker.Close()
	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	platform := client.BaseURL()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(platform)                         // also sets r.Out.Host
			r.Out.Header.Del("Authorization")          // otherwise the client's is sent
			r.Out.Header.Del("X-Act-Under-Account-ID") // otherwise the client chooses the account
		},
		Transport: nethttp.Transport(checker, fake.Client().Transport),
	}
	r := httptest.NewRequest("GET", "http://proxy.example.com/api/v1/requester", nil)
	r.Header.Set("Authorization", "ApiKey of-the-client")
	rec := httptest.NewRecorder()
	proxy.ServeHTTP(rec, r)
	fmt.Printf("%d %.40s\n", rec.Code, rec.Body)

	// Output:
	// 200 {"id":"566ec2b0ff0deeaae5f9d500629de162"
}
