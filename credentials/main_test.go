package credentials_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Each test sets the variables that it needs.
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "TOLOKA_") || name == "CREDENTIALS_DIRECTORY" {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// TestEnvironmentIsIgnored runs the examples, and the tests of permissions, with the variables of a
// service whose temporary files are in systemd's directory of credentials.
func TestEnvironmentIsIgnored(t *testing.T) {
	tests := exec.Command(os.Args[0], "-test.run=^(Example.*|TestDefault.*|TestFilePermissions.*)$")
	tests.Env = append(os.Environ(), "TOLOKA_TOKEN=AQVN-of-the-developer",
		"TOLOKA_TOKEN_FILE=/nowhere", "CREDENTIALS_DIRECTORY="+os.TempDir())
	output, err := tests.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.True(t, strings.HasPrefix(string(output), "PASS\n"), "%s", output)
}
