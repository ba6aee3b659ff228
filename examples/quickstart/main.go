// Command quickstart shows what the library does, without an account or a network. It starts a fake
// platform on loopback and a small service, and shows step by step what happens to the service's
// token, with real log lines and responses. It exits with 0 if every step succeeded.
//
// With -serve it keeps the service and the platform running, to try with curl.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tolokacheck/tolokacheck/examples/internal/story"
)

// storyTimeout bounds the story, which takes a few seconds, on a busy machine.
const storyTimeout = 28 * time.Second

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) (exitCode int) {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	serve := flags.String("serve", "",
		"keep the service running on this `address`, such as :8080, to try with curl")
	timeout := flags.Duration("timeout", storyTimeout, "give up on the story after this `duration`")
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp:
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintln(stderr, "quickstart: takes flags only; -h shows them")
		return 2
	}
	var err error
	if *serve != "" {
		err = story.Play(*serve, stdout)
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		err = story.Tell(ctx, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}
