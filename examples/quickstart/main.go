// Command quickstart shows what the library does, with no account and no network: it starts a fake platform on loopback,
// embeds the library in a small service, and tells what happens to its token, step by step, with the real log lines and the real
// answers. It exits with 0 if everything came out as told.
//
// With -serve it keeps service and platform up instead, to play with by curl. How the library is wired in is in app.go.
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
)

// storyTimeout is far more than the story takes, a few seconds, and what a machine with other things to do is given.
const storyTimeout = 28 * time.Second

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) (exitCode int) {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	serve := flags.String("serve", "", "keep the service up at this `address`, such as :8080, to play with by curl")
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
		err = play(*serve, stdout)
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		err = tell(ctx, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}
