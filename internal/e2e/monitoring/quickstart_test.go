package monitoring

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// TestQuickstart runs the command that the README of the quickstart shows.
func TestQuickstart(t *testing.T) {
	binary := build(t, "quickstart")
	t.Chdir(filepath.Join("..", "..", "..")) // it is run in the root of the repository
	quickstart := process.Start(t, binary, []string{"PATH=" + os.Getenv("PATH")}, "-monitor")
	for _, line := range []string{
		"TolokaPlatformStale fires after", "TolokaCallersUnavailable fires after",
		"TolokaPlatformUnreachable fires after",
		"TolokaCredentialRejected fires after", "TolokaBalanceLow fires after",
		"TolokaCallersRefused fires after",
		"All 10 steps succeeded.",
	} {
		process.Await(t, line, func() error {
			if !strings.Contains(quickstart.Output(), line) {
				return errors.New(quickstart.Output())
			}
			return nil
		})
	}
	quickstart.Signal(t, syscall.SIGTERM)
	assert.Zero(t, quickstart.Wait(t), quickstart.Output())
	assert.NotContains(t, quickstart.Output(), "DATA RACE")
}
