// Command quickstart shows what the library does, without an account or a network. It starts a fake
// platform on loopback and a small service, and shows step by step what happens to the service's
// token, with real log lines and responses. It exits with 0 if every step succeeded.
//
// With -monitor it shows the service's alerts in a real Prometheus, which must be installed. With
// -serve it keeps the service and the platform running, to try with curl.
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
	monitor := flags.Bool("monitor", false,
		"show the alerts in a Prometheus, which must be installed; Ctrl-C ends it")
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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var err error
	switch {
	case *serve != "":
		stop() // the service handles the signals itself
		err = story.Play(*serve, stdout)
	case *monitor:
		err = story.Monitor(ctx, stdout)
	default:
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
