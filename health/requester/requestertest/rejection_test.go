package requestertest_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// The package documentation describes how to test a rejected token on fake time.
func TestPlatform_DeleteToken_confirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		platform := requestertest.NewPlatform()
		token := platform.IssueToken("")
		client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
		require.NoError(t, err)
		checker, err := health.New(credentials.Static(token.Reveal()), health.WithClient(client),
			health.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		defer func() { require.NoError(t, checker.Close()) }()
		require.NoError(t, checker.Start(t.Context()))

		platform.DeleteToken(token)
		_ = checker.Refresh(t.Context())
		assert.Equal(t, health.ReasonConfirmingRejection, checker.Snapshot().Reason())
		time.Sleep(time.Second)
		_ = checker.Refresh(t.Context())
		assert.Equal(t, health.ReasonRejected, checker.Snapshot().Reason())
	})
}
