package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// startChecker returns a started checker of an account on a fake platform. A service calls
// health.New(credentials.Default()) and Start.
func startChecker(accountID string) *health.Checker {
	account := requestertest.DefaultAccount()
	account.ID = accountID
	platform := requestertest.NewPlatform()
	platform.SetAccount(account)
	client, err := requester.New(requester.Production, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	token := platform.IssueToken(accountID)
	checker, err := health.New(credentials.Static(token.Reveal()),
		health.WithClient(client), health.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	return checker
}

// A handler behind the gates of two checkers finds both accounts.
func ExampleAccountOf() {
	orders, billing := startChecker("orders-account"), startChecker("billing-account")
	defer orders.Close()
	defer billing.Close()

	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		nearest, _ := middleware.AccountFrom(r.Context())
		outer, _ := middleware.AccountOf(r.Context(), orders)
		fmt.Println(nearest.ID(), outer.ID())
	})
	outer := nethttp.Gate(orders, middleware.WithAccountInContext())
	inner := nethttp.Gate(billing, middleware.WithAccountInContext())
	service := outer(inner(handler))
	service.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))

	// Output:
	// billing-account orders-account
}

// In tests of a service, a fake replaces the checker. Handlers get the account of its state.
func ExampleSnapshotter() {
	account, err := requester.ParseAccount([]byte(`{"id":"566ec2b0ff0deeaae5f9d500629de162"}`))
	if err != nil {
		log.Fatal(err)
	}
	// type fake struct{ snapshot *health.Snapshot }, whose Snapshot method returns it
	checker := fake{health.NewSnapshot(health.State{
		Reasons: []health.Reason{health.ReasonVerified},
		Account: account,
	})}

	gate := nethttp.Gate(checker, middleware.WithAccountInContext())
	service := gate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		account, ok := middleware.AccountFrom(r.Context())
		fmt.Println(account.ID(), ok)
	}))
	service.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))

	// Output:
	// 566ec2b0ff0deeaae5f9d500629de162 true
}

// fake is a checker for tests.
type fake struct{ snapshot *health.Snapshot }

func (f fake) Snapshot() *health.Snapshot { return f.snapshot }

// Some routes behind a common gate do not need the platform.
func ExampleWithSkipper() {
	checker := fake{health.NewSnapshot(health.State{
		Reasons: []health.Reason{health.ReasonRejected},
	})}

	gate := nethttp.Gate(checker, middleware.WithSkipper(func(r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, "/static/")
	}))
	service := gate(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	for _, path := range []string{"/static/logo.svg", "/tasks"} {
		rec := httptest.NewRecorder()
		service.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, rec.Code)
	}

	// Output:
	// /static/logo.svg 200
	// /tasks 503
}

// An adapter to another framework asks the gate about each request and translates the answer.
func ExampleGate_Admit() {
	checker := startChecker("orders-account")
	gate, err := middleware.NewGate(checker)
	if err != nil {
		log.Fatal(err)
	}

	handle := func(r *http.Request) {
		r, rejection := gate.Admit(r)
		if rejection != nil {
			header := http.Header{}
			rejection.SetHeader(header)
			fmt.Println("rejected:", rejection.Status(), header.Get("Cache-Control"))
			return
		}
		fmt.Println("admitted:", r.URL.Path)
	}
	handle(httptest.NewRequest("GET", "/tasks", nil))
	checker.Close()
	handle(httptest.NewRequest("GET", "/tasks", nil))

	// Output:
	// admitted: /tasks
	// rejected: 503 no-store
}

// Operators who have the token of the operations team see details with ?verbose.
func ExampleWithDetails() {
	ops, err := credentials.Static("opsToken-0123456789").Token(context.Background()) // or Env, File, …
	if err != nil {
		log.Fatal(err)
	}
	account, err := requester.ParseAccount([]byte(
		`{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":9.70,"public_name":{"EN":"Jack Smith"}}`))
	if err != nil {
		log.Fatal(err)
	}
	token, err := credentials.ParseToken("AQVNnot-a-token-but-an-example")
	if err != nil {
		log.Fatal(err)
	}
	checker := fake{health.NewSnapshot(health.State{
		Environment: "production",
		Token:       token,
		Reasons:     []health.Reason{health.ReasonLowBalance},
		TokenSource: "env:TOLOKA_TOKEN",
		Account:     account,
		Breaker:     "closed",
	})}
	routes, err := middleware.Routes(checker, middleware.WithDetails(middleware.BearerToken(ops)))
	if err != nil {
		log.Fatal(err)
	}

	stranger := httptest.NewRequest("GET", "/healthz?verbose", nil)
	operator := stranger.Clone(context.Background())
	operator.Header.Set("Authorization", "Bearer opsToken-0123456789")
	for _, r := range []*http.Request{stranger, operator} {
		rec := httptest.NewRecorder()
		routes["/healthz"].ServeHTTP(rec, r)
		var indented bytes.Buffer
		_ = json.Indent(&indented, rec.Body.Bytes(), "", "  ")
		fmt.Println(indented.String())
	}

	// Output:
	// {
	//   "status": "warn"
	// }
	// {
	//   "status": "warn",
	//   "output": "the account's balance is low; top up the account",
	//   "checks": {
	//     "toloka:credential": [
	//       {
	//         "componentType": "component",
	//         "status": "warn",
	//         "reason": "low_balance",
	//         "reasons": [
	//           "low_balance"
	//         ],
	//         "environment": "production",
	//         "tokenSource": "env:TOLOKA_TOKEN",
	//         "tokenFingerprint": "AQVN…#65c99d1a",
	//         "output": "the account's balance is low; top up the account"
	//       }
	//     ],
	//     "toloka:account": [
	//       {
	//         "componentType": "component",
	//         "observedValue": "566ec2b0ff0deeaae5f9d500629de162",
	//         "publicName": "Jack Smith"
	//       }
	//     ],
	//     "toloka:balance": [
	//       {
	//         "componentType": "component",
	//         "status": "warn",
	//         "observedValue": 9.70,
	//         "observedUnit": "USD"
	//       }
	//     ],
	//     "toloka:circuit-breaker": [
	//       {
	//         "componentType": "component",
	//         "observedValue": "closed"
	//       }
	//     ]
	//   }
	// }
}
