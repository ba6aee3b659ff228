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

// defaultTimeout is what an init container or a CI job can spare.
const defaultTimeout = 10 * time.Second

const usage = `Usage: verify [-json] [-timeout 10s] [-environment production|sandbox] [-base-url URL] [-expect-account ID]

Asks the Toloka platform whether the credential is good, and prints the account that it belongs to. The token is looked for
in TOLOKA_TOKEN, the file named by TOLOKA_TOKEN_FILE, $CREDENTIALS_DIRECTORY/toloka-token and /run/secrets/toloka-token.

`

const whereTokensGo = "tokens belong into TOLOKA_TOKEN, or a file that TOLOKA_TOKEN_FILE names"

const exitCodes = `
Exit codes: 0 verified, 1 refused or of another account, 2 no credential or bad usage, 3 no answer from the platform or the token's source.
`

// options are what the command line and the environment say.
type options struct {
	json    bool
	client  *requester.Client
	checker []health.Option
}

// parse reads the flags; what they leave open the environment says. It returns the help text where that was asked for.
func parse(args []string, lookup func(string) (string, bool)) (opts options, help string, err error) {
	if i := slices.IndexFunc(args, func(arg string) bool { return service.HoldsToken(lookup, valueOf(arg)) }); i >= 0 {
		return options{}, "", fmt.Errorf("argument %d holds an API token; %s", i+1, whereTokensGo)
	}
	var text bytes.Buffer
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(&text)
	flags.Usage = func() {
		text.WriteString(usage)
		flags.PrintDefaults()
		text.WriteString(exitCodes)
	}
	flags.BoolVar(&opts.json, "json", false, "print the account as JSON, in the platform's own shape")
	timeout := flags.Duration("timeout", defaultTimeout, "give up after this `duration`")
	environment := flags.String("environment", "", "ask this `environment`, production or sandbox; else TOLOKA_ENVIRONMENT, else production")
	baseURL := flags.String("base-url", "", "ask this `URL` in place of the environment's; else TOLOKA_BASE_URL")
	account := flags.String("expect-account", "", "the `id` of the account that the token has to belong to; else EXPECT_ACCOUNT, else any")

	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return options{}, text.String(), nil
	case err != nil:
		return options{}, "", fmt.Errorf("%w (-h shows what there is)", err)
	case flags.NArg() > 0:
		// It is not repeated: it may well be a token.
		return options{}, "", errors.New("takes flags only; " + whereTokensGo)
	case *timeout <= 0:
		return options{}, "", fmt.Errorf("-timeout %s: must be more than zero", *timeout)
	}
	var empty error
	flags.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" {
			// Somebody's variable is empty. To go on would be to expect any account, or to ask somewhere else.
			empty = fmt.Errorf("-%s: the value is empty; leave the flag out for the default", f.Name)
		}
	})
	if empty != nil {
		return options{}, "", empty
	}
	for _, open := range []struct {
		name  string
		value *string
	}{{"TOLOKA_ENVIRONMENT", environment}, {"TOLOKA_BASE_URL", baseURL}, {"EXPECT_ACCOUNT", account}} {
		variable, _ := lookup(open.name) // empty counts as unset
		if service.HoldsToken(lookup, variable) {
			return options{}, "", fmt.Errorf("%s holds an API token; %s", open.name, whereTokensGo)
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

// newClient says where a value that is no good came from.
func newClient(environment, baseURL string, timeout time.Duration) (*requester.Client, error) {
	name := requester.Environment(environment)
	opts := []requester.Option{requester.WithUserAgent("tolokacheck-verify"), requester.WithTimeout(callTimeout(timeout))}
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

// callTimeout bounds one call. It ends a little before everything does, so that the error says what did not answer.
func callTimeout(all time.Duration) time.Duration {
	return min(requester.DefaultTimeout, all-all/10)
}
