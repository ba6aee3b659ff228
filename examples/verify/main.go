// Command verify verifies a credential once and prints its account, for CI jobs, init containers
// and interactive use. The exit code reports the result: 0 verified, 1 refused or of another
// account, 2 no credential or invalid usage, 3 no answer from the platform or the token's source.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
)

const (
	exitVerified    = 0
	exitRefused     = 1
	exitUsage       = 2
	exitUnavailable = 3
)

func main() {
	os.Exit(run(os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// run returns the exit code. An error is one line on stderr.
func run(args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	opts, help, err := parse(args, lookup)
	switch {
	case help != "":
		fmt.Fprint(stdout, help)
		return exitVerified
	case err != nil:
		fmt.Fprintln(stderr, "verify:", err)
		return exitUsage
	}
	snap, err := verify(opts)
	if err != nil {
		fmt.Fprintln(stderr, "verify:", err)
		return exitCode(err)
	}
	if err := print(stdout, snap, opts.json); err != nil {
		fmt.Fprintln(stderr, "verify: the credential is valid, but the result cannot be written:",
			err)
		return exitUsage
	}
	return exitVerified
}

// verify is all that uses the library. As in a service, the checker retries while the platform does
// not answer, until the timeout, and confirms a refusal with a second request.
func verify(opts options) (*health.Snapshot, error) {
	checker, err := health.New(credentials.Default(),
		append(opts.checker, health.WithClient(opts.client), health.RequireVerified())...)
	if err != nil {
		return nil, err
	}
	defer checker.Close()
	if err := checker.Start(context.Background()); err != nil {
		return nil, err
	}
	return checker.Snapshot(), nil
}

func exitCode(err error) int {
	var verdict *health.Error
	if !errors.As(err, &verdict) {
		return exitUsage // invalid options
	}
	switch verdict.Reason {
	case health.ReasonRejected, health.ReasonWrongAccount:
		return exitRefused
	case health.ReasonNoCredential:
		if errors.Is(err, credentials.ErrNotFound) || errors.Is(err, credentials.ErrInvalid) {
			return exitUsage
		}
	}
	return exitUnavailable
}

// print writes the account. The library has removed control characters from its strings.
func print(w io.Writer, snap *health.Snapshot, asJSON bool) error {
	account, err := snap.Account()
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(w).Encode(account)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", key, value)
		}
	}
	state := snap.State()
	row("environment", state.Environment)
	row("account", account.ID())
	row("name", account.Name())
	company, _ := account.Company()
	row("company", company.ID)
	if balance, ok := account.Balance(); ok {
		row("balance", balance.String()+" USD")
	}
	row("token", snap.TokenFingerprint()+" from "+state.TokenSource)
	row("latency", state.Latency.Round(time.Millisecond).String())
	return table.Flush()
}
