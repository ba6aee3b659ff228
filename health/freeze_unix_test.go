//go:build unix

package health_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

const (
	childVariable  = "TOLOKACHECK_TEST_FREEZE"
	childInterval  = 500 * time.Millisecond
	childMaxStale  = 2 * time.Second
	childLooksEach = 10 * time.Millisecond
	childSlack     = 500 * time.Millisecond // of a busy machine
)

// runAsChild reports whether this process is the child of TestFreeze, after it has run as such:
// it monitors a credential and writes what it sees until its standard input ends.
func runAsChild() bool {
	if os.Getenv(childVariable) == "" {
		return false
	}
	client, err := requester.New(requester.Production, requester.WithTimeout(childInterval/2),
		requester.WithHTTPClient(&http.Client{Transport: roundTripper(always(account("1"))("").give)}))
	if err != nil {
		panic(err)
	}
	c, err := health.New(credentials.Static(tokenA), health.WithClient(client),
		health.WithInterval(childInterval), health.WithMaxStale(childMaxStale),
		health.WithRejectionRecheck(childInterval))
	if err != nil {
		panic(err)
	}
	if err := c.Start(context.Background()); err != nil {
		panic(err)
	}
	go func() {
		for {
			snap := c.Snapshot()
			fmt.Println(time.Now().UnixMilli(), snap.State().VerifiedAt.UnixMilli(), snap.Open())
			time.Sleep(childLooksEach)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = c.Close()
	return true
}

// sight is what the child saw: its time, when the credential was verified, and the gate.
type sight struct {
	at, verifiedAt time.Time
	open           bool
}

func (s sight) fresh() bool { return s.at.Sub(s.verifiedAt) <= childMaxStale+childSlack }

// A process that is stopped for longer than MaxStale and continued verifies the credential anew
// within 5 s, and does not rely on the old answer once it has looked at the time.
func TestFreeze(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		stdin.Close()
		assert.NoError(t, cmd.Wait())
	}()
	sights := make(chan sight, 10_000)
	go func() {
		defer close(sights)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var at, verifiedAt int64
			var open bool
			if _, err := fmt.Sscan(lines.Text(), &at, &verifiedAt, &open); err == nil {
				sights <- sight{time.UnixMilli(at), time.UnixMilli(verifiedAt), open}
			}
		}
	}()
	first := <-sights
	require.True(t, first.open)

	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	time.Sleep(childMaxStale + time.Second)
	for len(sights) > 0 {
		<-sights
	}
	continued := time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))

	looked := false // the child has noticed how late it is
	for s := range sights {
		if s.at.Before(continued) {
			continue // it was in the pipe
		}
		if looked {
			assert.True(t, !s.open || s.fresh(), "open with an answer of %s", s.at.Sub(s.verifiedAt))
		}
		looked = looked || !s.open || s.fresh()
		if s.at.Sub(continued) > 5*time.Second {
			assert.True(t, s.open)
			assert.True(t, s.fresh(), "verified anew within 5 s")
			return
		}
		if s.open && s.fresh() && s.at.Sub(continued) > 2*time.Second {
			return
		}
	}
	t.Error("the child ended")
}
