package requestertest_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// In a test the service gets the fake platform's client or URL.
func Example() {
	platform := requestertest.NewPlatform()
	token := platform.IssueToken("")
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}

	account, err := client.Requester(context.Background(), token)
	fmt.Println(account, err)

	poor := requestertest.DefaultAccount()
	poor.Balance = "0.50"
	platform.SetAccount(poor)
	account, err = client.Requester(context.Background(), token)
	fmt.Println(account, err)

	platform.DeleteToken(token)
	_, err = client.Requester(context.Background(), token)
	fmt.Println(requester.ClassOf(err))

	fmt.Println(platform.Count(), "requests")
	// Output:
	// 566ec2b0ff0deeaae5f9d500629de162 (Jack Smith), company 123, balance 121.3 USD <nil>
	// 566ec2b0ff0deeaae5f9d500629de162 (Jack Smith), company 123, balance 0.50 USD <nil>
	// rejected
	// 3 requests
}

func ExampleNewServer() {
	server := requestertest.NewServer()
	defer server.Close()
	server.SetAccount(requestertest.Account{ID: "a1", Balance: "7"})
	client, err := requester.New(requester.Sandbox, requester.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	account, err := client.Requester(context.Background(), server.IssueToken("a1"))
	fmt.Println(account, err)
	// Output:
	// a1, balance 7 USD <nil>
}

// Faults can follow on each other.
func ExamplePlatform_SetFaults() {
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	token := platform.IssueToken("")
	platform.SetFaults(requestertest.Sequence(
		requestertest.Status(503),
		requestertest.HTML(200),
		requestertest.Raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), // truncated
	))
	for range 4 {
		_, err := client.Requester(context.Background(), token)
		fmt.Println(requester.ClassOf(err))
	}
	// Output:
	// unavailable
	// malformed
	// malformed
	// verified
}

// Hold delays an answer while the test changes something.
func ExamplePlatform_Hold() {
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	token := platform.IssueToken("")
	release := platform.Hold()
	answered := make(chan error)
	go func() {
		_, err := client.Requester(context.Background(), token)
		answered <- err
	}()
	if err := platform.WaitCount(context.Background(), 1); err != nil {
		log.Fatal(err)
	}
	platform.DeleteToken(token) // does not change the answer to a request that has arrived
	release()
	fmt.Println(requester.ClassOf(<-answered))
	// Output:
	// verified
}

// With a threshold of one a single refusal rejects the token.
func ExamplePlatform_DeleteToken() {
	platform := requestertest.NewPlatform()
	token := platform.IssueToken("")
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	checker, err := health.New(credentials.Static(token.Reveal()),
		health.WithClient(client),
		health.WithRejectionThreshold(1),
		health.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer checker.Close()
	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	platform.DeleteToken(token)
	err = checker.Refresh(context.Background())
	fmt.Println(requester.ClassOf(err), checker.Snapshot().Status(), checker.Snapshot().Reason())
	// Output:
	// rejected fail rejected
}
