package health_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/govalues/decimal"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

func ExampleChecker() {
	// A fake platform stands in for https://toloka.dev; a service leaves WithClient out.
	platform := requestertest.NewServer()
	defer platform.Close()
	client, err := requester.New(requester.Production, requester.WithBaseURL(platform.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	token := platform.IssueToken(requestertest.DefaultAccount().ID)

	checker, err := health.New(
		credentials.Static(token.Reveal()), // a service uses credentials.Default()
		health.WithClient(client),
		health.WithMinBalance(decimal.MustParse("50")),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer checker.Close()
	if err := checker.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}

	account, err := checker.Snapshot().Account()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(checker.Snapshot().Status(), account.ID() == requestertest.DefaultAccount().ID)
	// Output: pass true
}

// Start says what is wrong, and the error can be taken apart.
func ExampleChecker_Start() {
	platform := requestertest.NewServer()
	defer platform.Close()
	client, err := requester.New(requester.Production, requester.WithBaseURL(platform.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	checker, err := health.New(credentials.Env("TOLOKA_TOKEN_OF_THIS_EXAMPLE"),
		health.WithClient(client))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer checker.Close()

	err = checker.Start(context.Background())
	var verdict *health.Error
	switch {
	case errors.As(err, &verdict) && verdict.Reason == health.ReasonRejected:
		fmt.Println("generate a new token")
	case errors.Is(err, credentials.ErrNotFound):
		fmt.Println("no token:", verdict.Reason)
	}
	// Output: no token: no_credential
}

// A service can follow what happens to its credential.
func ExampleOnChange() {
	changes := make(chan string, 10)
	checker, err := health.New(credentials.Static("some-token"),
		health.OnChange(func(old, new *health.Snapshot) {
			changes <- fmt.Sprint(old.Reason(), " > ", new.Reason())
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	checker.Close()
	fmt.Println(<-changes)
	// Output: starting > closed
}

// Health frameworks take a function such as PublicReadiness and show its error to their clients.
// The reason is available for a log.
func ExampleChecker_PublicReadiness() {
	checker, err := health.New(credentials.Static("some-token"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer checker.Close()

	err = checker.PublicReadiness(context.Background())
	fmt.Println(err)
	var verdict *health.Error
	if errors.As(err, &verdict) {
		fmt.Println("log:", verdict.Reason)
	}
	// Output:
	// fail: no check has finished yet
	// log: starting
}
