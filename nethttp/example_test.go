package nethttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// newChecker returns a checker of a token that works, on a fake platform. A service calls
// health.New(credentials.Default()) instead.
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

// show asks the service and prints the answer.
func show(service http.Handler, method, target string) {
	rec := httptest.NewRecorder()
	service.ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	fmt.Println(method, target, rec.Code, rec.Body)
}

// A service registers its routes and listens before the credential is verified, so that probes get their answers while
// Start waits for the platform.
func Example() {
	checker := newChecker()
	defer checker.Close()

	tasks := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the tasks") })
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
	// GET /tasks 503 {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The service cannot handle this request at the moment. Try again later."}
	// GET /healthz 200 {"status":"pass"}
	// GET /tasks 200 the tasks
}

// Handlers behind a gate can have the account whose token let the request through.
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
	// GET /account 200 {"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,"public_name":{"EN":"Jack Smith"},"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}
}

// A service can say in its own words that it is closed, and log why. Retry-After is set already.
func ExampleGate_rejectionHandler() {
	checker := newChecker() // not started
	defer checker.Close()

	gate := nethttp.Gate(checker, middleware.WithRejectionHandler(func(w http.ResponseWriter, _ *http.Request, err *health.Error) {
		fmt.Println("log:", err.Reason)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "We will be back soon.")
	}))
	show(gate(http.NotFoundHandler()), "GET", "/tasks")

	// Output:
	// log: starting
	// GET /tasks 503 We will be back soon.
}

// The paths can be changed, moved below a prefix, and left out. Balancers may ask by GET, HEAD or OPTIONS.
func ExampleRegisterHealth() {
	checker := newChecker()
	defer checker.Close()

	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker,
		middleware.WithPrefix("/internal"),
		middleware.WithHealthPath("/health"),
		middleware.WithReadyPath(""),
	)
	show(mux, "OPTIONS", "/internal/health")
	show(mux, "GET", "/internal/livez")
	show(mux, "GET", "/internal/readyz")

	// Output:
	// OPTIONS /internal/health 503 {"status":"fail"}
	// GET /internal/livez 200 {"status":"pass"}
	// GET /internal/readyz 404 404 page not found
}

// One endpoint answers for the checkers of several accounts, with the worst of their verdicts.
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

// Details are for those whom the service trusts, here for whoever reaches a listener of its own for operators. Everybody
// else gets the same answer with and without ?verbose.
func ExampleRegisterHealth_details() {
	checker := newChecker()
	defer checker.Close()
	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	public, operators := http.NewServeMux(), http.NewServeMux()
	nethttp.RegisterHealth(public, checker)
	nethttp.RegisterHealth(operators, checker, middleware.WithDetails(func(*http.Request) bool { return true }))

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

// The handlers can be registered by hand, too, for example on another listener than the service's own.
func ExampleHealth() {
	checker := newChecker()
	defer checker.Close()
	operations := &http.Server{Addr: "127.0.0.1:9090", Handler: nethttp.Health(checker)}
	show(operations.Handler, "HEAD", "/")

	// Output:
	// HEAD / 503
}
