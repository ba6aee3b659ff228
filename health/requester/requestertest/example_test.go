package requestertest_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// A user's own test: the service under test gets the fake platform's client or URL.
func Example() {
	platform := requestertest.NewPlatform()
	token := platform.IssueToken("")
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}

	account, err := client.Requester(context.Background(), token)
	fmt.Println(account, err)

	platform.SetBalance("", "0.50")
	account, err = client.Requester(context.Background(), token)
	fmt.Println(account, err)

	platform.DeleteToken(token)
	_, err = client.Requester(context.Background(), token)
	fmt.Println(requester.ClassOf(err))

	fmt.Println(platform.Count(), "requests, the last with the header", platform.Requests()[2].Scheme)
	// Output:
	// 566ec2b0ff0deeaae5f9d500629de162 (Jack Smith), company 123, balance 121.3 USD <nil>
	// 566ec2b0ff0deeaae5f9d500629de162 (Jack Smith), company 123, balance 0.50 USD <nil>
	// rejected
	// 3 requests, the last with the header ApiKey
}

func ExampleNewServer() {
	server := requestertest.NewServer(requestertest.WithAccount(requestertest.Account{ID: "a1", Balance: "7"}))
	defer server.Close()
	client, err := requester.New(requester.Sandbox, requester.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	account, err := client.Requester(context.Background(), server.IssueToken("a1"))
	fmt.Println(account, err)
	// Output:
	// a1, balance 7 USD <nil>
}

// Faults are values: they follow on each other, happen a number of times, and combine.
func ExamplePlatform_SetFaults() {
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	token := platform.IssueToken("")
	platform.SetFaults(requestertest.Sequence(
		requestertest.Join(requestertest.Header("Retry-After", "7"), requestertest.Status(503)),
		requestertest.HTML(200),
		requestertest.Truncated(),
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

// Hold keeps an answer back while the test changes something.
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
	platform.DeleteToken(token) // too late for the request that has arrived
	release()
	fmt.Println(requester.ClassOf(<-answered))
	// Output:
	// verified
}
