package fleet

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// TestLife counts the calls of a fleet whose Redis works, and looks for secrets in all that Redis
// and the replicas write.
func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--rdbcompression", "no")
	_, port, err := net.SplitHostPort(w.redis.Address)
	require.NoError(t, err)
	cli := process.Find(t, "redis-cli")
	monitor := startMonitor(t, cli, port)
	secrets := secretsOf(w)

	w.startAll(t)
	assert.LessOrEqual(t, w.platform.Count(), 1+w.count(lost), "the calls of a cold start")

	began, before := time.Now(), w.platform.Count()
	time.Sleep(4 * interval)
	calls := w.platform.Count() - before
	// A replica that once got no answer of Redis in time has called, too.
	assert.LessOrEqual(t, calls, 1+int(time.Since(began)/due)+w.count(lost), "steady")
	assert.GreaterOrEqual(t, calls, 2, "steady")
	w.quiet(t)

	before = w.platform.Count()
	w.platform.DeleteToken(w.token)
	require.NoError(t, w.platform.WaitCount(t.Context(), before+1))
	refused := time.Now()
	w.all(t, rejected, 1)
	assert.Less(t, time.Since(refused), interval*11/10+time.Second+slack, "a refusal is known to all")
	assert.LessOrEqual(t, w.platform.Count()-before, 6+w.count(lost), "the calls of a refusal")

	before = w.platform.Count()
	w.rotate(t)
	secrets = append(secrets, secretsOf(w)...)
	w.all(t, verified, 2)
	assert.LessOrEqual(t, w.platform.Count()-before, 6+w.count(lost), "the calls of a new token")

	dump := filepath.Join(t.TempDir(), "dump.rdb")
	out, err := exec.CommandContext(t.Context(), cli, "-p", port, "--rdb", dump).CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(dump)
	require.NoError(t, err)
	assert.NoError(t, contains(string(data), "toloka:{"), "the dump has the keys")
	process.Await(t, "the last answer in MONITOR", func() error {
		return contains(monitor(), `:verdict"`)
	})
	account := requestertest.DefaultAccount()
	for where, text := range map[string]string{"the dump": string(data), "MONITOR": monitor()} {
		clean(t, where, text, append(secrets, account.ID, account.PublicName["EN"]))
	}
	for _, r := range w.replicas {
		clean(t, "a log", r.Output(), secrets)
	}
}

// startMonitor returns a function that returns all commands that the server has run since.
func startMonitor(t *testing.T, cli, port string) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "monitor") // long: not for the log of a failed test
	file, err := os.Create(path)
	require.NoError(t, err)
	cmd := exec.Command(cli, "-p", port, "MONITOR")
	cmd.Stdout = file
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = file.Close()
	})
	read := func() string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(data)
	}
	process.Await(t, "MONITOR", func() error { return contains(read(), "OK") })
	return read
}

// secretsOf returns the token of the world in the encodings that a careless program may write.
func secretsOf(w *world) []string {
	token := w.token.Reveal()
	hash := sha256.Sum256([]byte(token))
	return []string{
		token, base64.StdEncoding.EncodeToString([]byte(token)), hex.EncodeToString([]byte(token)),
		hex.EncodeToString(hash[:]), base64.RawURLEncoding.EncodeToString(hash[:]),
	}
}

// clean checks that the text has no ten characters of a secret.
func clean(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	const piece = 10
	for _, secret := range secrets {
		require.NotEmpty(t, secret)
		for i := 0; i == 0 || i+piece <= len(secret); i++ {
			if part := secret[i:min(i+piece, len(secret))]; strings.Contains(text, part) {
				t.Errorf("%s contains %q", where, part)
				break
			}
		}
	}
}

func contains(text, part string) error {
	if !strings.Contains(text, part) {
		return errNotYet
	}
	return nil
}
