package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/examples/internal/service"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// defaultTimeout is acceptable in an init container or a CI job.
const defaultTimeout = 10 * time.Second

const usage = `Usage: verify [-json] [-timeout 10s] [-environment production|sandbox]
              [-base-url URL] [-expect-account ID]

Verifies a Toloka API token and prints the account that it belongs to. The token comes from
TOLOKA_TOKEN, the file named by TOLOKA_TOKEN_FILE, $CREDENTIALS_DIRECTORY/toloka-token or
/run/secrets/toloka-token.

`

// tokenHint says where a token goes that is in the wrong place.
const tokenHint = "set the token in TOLOKA_TOKEN, or in a file that TOLOKA_TOKEN_FILE names"

const exitCodes = `
Exit codes: 0 verified, 1 refused or of another account, 2 no credential or invalid usage,
3 no answer from the platform or the token's source.
`

// options are the settings from the command line and the environment.
type options struct {
	json    bool
	client  *requester.Client
	checker []health.Option
}

// parse reads the flags, and the environment for the flags that are not set. With -h it returns the
// help text.
func parse(
	args []string, lookup func(string) (string, bool),
) (opts options, help string, err error) {
	holdsToken := func(arg string) bool { return service.HoldsToken(lookup, valueOf(arg)) }
	if i := slices.IndexFunc(args, holdsToken); i >= 0 {
		return options{}, "", fmt.Errorf("argument %d holds an API token; %s", i+1, tokenHint)
	}
	var text bytes.Buffer
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(&text)
	flags.Usage = func() {
		text.WriteString(usage)
		flags.PrintDefaults()
		text.WriteString(exitCodes)
	}
	flags.BoolVar(&opts.json, "json", false, "print the account as JSON, in the platform's format")
	timeout := flags.Duration("timeout", defaultTimeout, "give up after this `duration`")
	environment := flags.String("environment", "",
		"use this `environment`, production or sandbox "+
			"(default TOLOKA_ENVIRONMENT, else production)")
	baseURL := flags.String("base-url", "",
		"use this `URL` instead of the environment's (default TOLOKA_BASE_URL)")
	account := flags.String("expect-account", "",
		"`id` of the account that the token must belong to (default EXPECT_ACCOUNT, else any)")

	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return options{}, text.String(), nil
	case err != nil:
		return options{}, "", fmt.Errorf("%w (-h shows the flags)", err)
	case flags.NArg() > 0:
		// The error does not show it: it may be a token.
		return options{}, "", errors.New("takes flags only; " + tokenHint)
	case *timeout <= 0:
		return options{}, "", fmt.Errorf("-timeout %s: must be more than zero", *timeout)
	}
	var empty error
	flags.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" {
			// Probably an empty variable of a script. The default would accept any account.
			empty = fmt.Errorf("-%s: the value is empty; omit the flag for the default", f.Name)
		}
	})
	if empty != nil {
		return options{}, "", empty
	}
	for _, open := range []struct {
		name  string
		value *string
	}{
		{"TOLOKA_ENVIRONMENT", environment}, {"TOLOKA_BASE_URL", baseURL},
		{"EXPECT_ACCOUNT", account},
	} {
		variable, _ := lookup(open.name) // empty counts as unset
		if service.HoldsToken(lookup, variable) {
			return options{}, "", fmt.Errorf("%s holds an API token; %s", open.name, tokenHint)
		}
		*open.value = cmp.Or(*open.value, variable)
	}

	if opts.client, err = newClient(*environment, *baseURL, *timeout); err != nil {
		return options{}, "", err
	}
	opts.checker = []health.Option{health.WithStartupTimeout(*timeout)}
	if *account != "" {
		opts.checker = append(opts.checker, health.ExpectAccount(*account))
	}
	return opts, "", nil
}

// newClient returns an error that names the flag and the variable of an invalid value.
func newClient(environment, baseURL string, timeout time.Duration) (*requester.Client, error) {
	name := requester.Environment(environment)
	opts := []requester.Option{
		requester.WithUserAgent("tolokacheck-verify"),
		requester.WithTimeout(callTimeout(timeout)),
	}
	client, err := requester.New(name, opts...)
	if err != nil {
		return nil, fmt.Errorf("-environment or TOLOKA_ENVIRONMENT: %w", err)
	}
	if baseURL == "" {
		return client, nil
	}
	client, err = requester.New(name, append(opts, requester.WithBaseURL(baseURL))...)
	if err != nil {
		return nil, fmt.Errorf("-base-url or TOLOKA_BASE_URL: %w", err)
	}
	return client, nil
}

// valueOf returns the value of a flag in the form -name=value, and any other argument as it is.
func valueOf(arg string) string {
	if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
		return value
	}
	return arg
}

// callTimeout bounds one request. It is a little shorter than the total, so that the error says
// what did not answer.
func callTimeout(all time.Duration) time.Duration {
	return min(requester.DefaultTimeout, all-all/10)
}
