package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// binary is the path of the built example. TestMain sets it.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tolokacheck-fleet-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "fleet")
	build := exec.Command("go", "build", "-race", "-o", binary, "./examples/fleet")
	build.Dir = filepath.Join("..", "..", "..")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

const (
	// interval is the time between two checks of a replica, interval/20 the limit of an operation
	// of Redis.
	interval = 2 * time.Second
	// due is the age from which an answer is not shared any more.
	due = interval * 85 / 100
	// slack is how much longer things may take than they should, on a slow machine.
	slack = 5 * time.Second
)

// Lines of the log.
const (
	lost     = `"msg":"toloka credential: the shared store does not answer"`
	found    = `"msg":"toloka credential: the shared store answers again"`
	verified = `"msg":"toloka credential verified"`
	rejected = `"reason":"rejected"`
)

// world is a fleet of three with its platform and its Redis.
type world struct {
	platform *requestertest.Server
	token    credentials.Token // in the file of all replicas
	file     string
	redis    *redistest.Server
	replicas []*replica
}

// replica is one process of the example.
type replica struct {
	*process.Process
	t *testing.T
}

// newWorld returns a world without replicas.
func newWorld(t *testing.T, redisArgs ...string) *world {
	t.Helper()
	w := &world{
		platform: requestertest.NewServer(),
		file:     filepath.Join(t.TempDir(), "token"),
		redis:    redistest.Start(t, redisArgs...),
	}
	t.Cleanup(w.platform.Close)
	w.rotate(t)
	return w
}

// rotate gives all replicas a new token.
func (w *world) rotate(t *testing.T) {
	t.Helper()
	w.token = w.platform.IssueToken("")
	require.NoError(t, os.WriteFile(w.file+".next", []byte(w.token.Reveal()+"\n"), 0o600))
	require.NoError(t, os.Rename(w.file+".next", w.file))
}

// start starts a replica. It does not wait for it.
func (w *world) start(t *testing.T, env ...string) *replica {
	t.Helper()
	p := process.Start(t, binary, append([]string{
		"LISTEN_ADDR=127.0.0.1:0", "TOLOKA_BASE_URL=" + w.platform.URL, "TOLOKA_TOKEN_FILE=" + w.file,
		"CHECK_INTERVAL=" + interval.String(), "MAX_STALE=1m", "REDIS_URL=redis://" + w.redis.Address,
	}, env...))
	r := &replica{p, t}
	w.replicas = append(w.replicas, r)
	return r
}

// startAll starts three replicas at once, and waits until all have verified the token.
func (w *world) startAll(t *testing.T) {
	t.Helper()
	for range 3 {
		w.start(t)
	}
	w.all(t, verified, 1)
}

// all waits until each replica has logged n lines with the text.
func (w *world) all(t *testing.T, text string, n int) {
	t.Helper()
	for _, r := range w.replicas {
		r.await(t, text, n)
	}
}

// count returns how many lines with the text all replicas have logged.
func (w *world) count(text string) int {
	n := 0
	for _, r := range w.replicas {
		n += r.count(text)
	}
	return n
}

// quiet checks that the status of no replica has changed since it has verified its token.
func (w *world) quiet(t *testing.T) {
	t.Helper()
	for _, r := range w.replicas {
		for line := range strings.Lines(r.Output()) {
			switch {
			case strings.Contains(line, `"status"`):
				assert.Contains(t, line, verified)
			case strings.Contains(line, `"level":"INFO"`), strings.Contains(line, lost):
			default:
				t.Errorf("this line should not be there: %s", line)
			}
		}
		assert.Equal(t, 1, r.count(`"status"`))
		assert.Equal(t, http.StatusOK, r.healthz(t))
		assert.NotContains(t, r.Output(), "DATA RACE")
	}
}

func (r *replica) count(text string) int { return strings.Count(r.Output(), text) }

// await waits until the replica has logged n lines with the text.
func (r *replica) await(t *testing.T, text string, n int) {
	t.Helper()
	process.Await(t, text, func() error {
		if got := r.count(text); got < n {
			return fmt.Errorf("%d of %d lines", got, n)
		}
		return nil
	})
}

// healthz returns the status code of the health endpoint.
func (r *replica) healthz(t *testing.T) int {
	t.Helper()
	var address string
	process.Await(t, "the address of a replica", func() error {
		for line := range strings.Lines(r.Output()) {
			var record struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "listening" {
				address = record.Address
				return nil
			}
		}
		return errors.New(r.Output())
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + "/healthz")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}
