package requester_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// A client of the sandbox, with the service's own User-Agent.
func ExampleNew() {
	client, err := requester.New(requester.Sandbox,
		requester.WithTimeout(3*time.Second),
		requester.WithUserAgent("billing/1.4 (team@example.com)"),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Environment(), client.BaseURL(), client.Timeout())

	_, err = requester.New(requester.Sandbox, requester.WithTimeout(-time.Second),
		requester.WithBaseURL("toloka.dev"))
	fmt.Println(err)
	// Output:
	// sandbox https://sandbox.toloka.dev 3s
	// requester: WithTimeout(-1s): must be at least 10ms; is its unit missing, as in 5*time.Second?
	// requester: WithBaseURL: the URL has no scheme; write it like https://toloka.dev or http://127.0.0.1:9000
}

func ExampleClient_Requester() {
	platform := requestertest.NewServer() // instead of the real one
	defer platform.Close()
	token := platform.IssueToken("") // credentials.Default().Token(ctx), in a service

	client, err := requester.New(requester.Production, requester.WithBaseURL(platform.URL))
	if err != nil {
		log.Fatal(err)
	}
	account, err := client.Requester(context.Background(), token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(account)
	// Output:
	// 566ec2b0ff0deeaae5f9d500629de162 (Jack Smith), company 123, balance 121.3 USD
}

// Decide on the class of an outcome, not on a status code or a text.
func ExampleClassOf() {
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	token := platform.IssueToken("")
	platform.SetFaults(requestertest.Sequence(
		nil,
		requestertest.Status(http.StatusUnauthorized),
		requestertest.RateLimited("30"),
		requestertest.Reset(),
		requestertest.HTML(http.StatusForbidden),
	))
	for range 5 {
		_, err := client.Requester(context.Background(), token)
		switch class := requester.ClassOf(err); class {
		case requester.Verified:
			fmt.Println("the token is valid")
		case requester.Rejected:
			fmt.Println("the token is rejected: replace it")
		case requester.RateLimited:
			var api *requester.APIError
			errors.As(err, &api)
			fmt.Println("retry in", api.RetryAfter)
		default:
			fmt.Printf("%v: it says nothing about the token\n", class)
		}
	}
	// Output:
	// the token is valid
	// the token is rejected: replace it
	// retry in 30s
	// unavailable: it says nothing about the token
	// misdirected: it says nothing about the token
}

// The error says what to do. Its request id is for the platform's support.
func ExampleAPIError() {
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	token, err := credentials.ParseToken("AQVNabcdefghijklmnopqr.of-an-account.that-was-closed")
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Requester(context.Background(), token)
	fmt.Println(strings.NewReplacer(": ", ":\n  ", "; ", ";\n  ", ", ", ",\n  ", " (",
		"\n  (").Replace(err.Error()))

	var api *requester.APIError
	if errors.As(err, &api) {
		fmt.Println(api.StatusCode, api.Code, api.RequestID)
	}
	// Output:
	// requester:
	//   https://sandbox.toloka.dev answered 401 AUTHENTICATION_ERROR
	//   (request_id 00000000-0000-4000-8000-000000000001):
	//   the token AQVN…#6397a94f is rejected:
	//   generate a new one on the account's Integrations page,
	//   https://platform.toloka.ai/requester/profile/integration;
	//   a token of production does not work in the sandbox
	// 401 AUTHENTICATION_ERROR 00000000-0000-4000-8000-000000000001
}

func ExampleAccount() {
	account, err := requester.ParseAccount([]byte(`{
		"id": "566ec2b0ff0deeaae5f9d500629de162",
		"balance": 121.30,
		"public_name": {"EN": "Jack Smith", "PT_BR": "João Silva"},
		"company": {"id": "123"}
	}`))
	if err != nil {
		log.Fatal(err)
	}
	balance, ok := account.Balance()
	company, _ := account.Company()
	fmt.Println(account.ID(), company.ID)
	fmt.Println(balance, ok)
	fmt.Println(account.Name(), "or", account.Name("RU", "pt-BR"))
	// Output:
	// 566ec2b0ff0deeaae5f9d500629de162 123
	// 121.30 true
	// Jack Smith or João Silva
}

// The token is added to requests to the platform only.
func ExampleClient_Covers() {
	client, err := requester.New(requester.Production)
	if err != nil {
		log.Fatal(err)
	}
	for _, url := range []string{"https://toloka.dev/api/v1/projects",
		"https://elsewhere.example/api/v1/projects"} {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(req.URL.Host, client.Covers(req.URL, req.Host))
	}
	// Output:
	// toloka.dev true
	// elsewhere.example false
}
