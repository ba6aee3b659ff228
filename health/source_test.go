//go:build unix

package health_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestTwoCheckersOfOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(tokenA), 0o600))
	require.NoError(t, os.Chmod(path, 0o644))
	synctest.Test(t, func(t *testing.T) {
		provider := credentials.File(path)
		accept := roundTripperFunc(accepting)
		client, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{Transport: accept}))
		require.NoError(t, err)
		var logs [2]logBuffer
		var checkers [2]*health.Checker
		for i := range checkers {
			checkers[i], err = health.New(provider, health.WithClient(client),
				health.WithLogger(slog.New(slog.NewTextHandler(&logs[i], nil))))
			require.NoError(t, err)
			defer checkers[i].Close()
			require.NoError(t, checkers[i].Start(t.Context()))
			time.Sleep(2 * time.Second) // so that they do not poll at the same time
		}

		require.NoError(t, os.WriteFile(path, []byte(tokenB), 0o600))
		time.Sleep(11 * time.Second) // two polls, and no check that is due
		for i, c := range checkers {
			token, err := c.Token()
			require.NoError(t, err)
			assert.True(t, token.Reveal() == tokenB, "checker %d has not seen the change", i)
		}

		time.Sleep(time.Hour)
		for i := range logs {
			text := strings.Join(logs[i].take(), "\n")
			assert.Equal(t, 1, strings.Count(text, "mode 0644 lets every user read the token"), text)
		}
	})
}
