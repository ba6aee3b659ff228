package vault_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The tests set the variables they need. Examples cannot unset those of a developer's shell.
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "VAULT_") || strings.HasPrefix(name, "TOLOKA_") ||
			name == "CREDENTIALS_DIRECTORY" {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// TestExamplesIgnoreTheEnvironment runs the examples with the variables of a developer who uses
// Vault.
func TestExamplesIgnoreTheEnvironment(t *testing.T) {
	examples := exec.Command(os.Args[0], "-test.run=^Example")
	examples.Env = append(os.Environ(),
		"VAULT_ADDR=http://vault.invalid:8200", "VAULT_AGENT_ADDR=http://agent.invalid:8100",
		"VAULT_TOKEN=hvs.of-the-developer",
		"VAULT_HEADERS=not JSON", "VAULT_CACERT=/nowhere", "VAULT_SKIP_VERIFY=perhaps",
		"VAULT_PROXY_ADDR=http://proxy.invalid",
		"TOLOKA_VAULT_PATH=of/the/developer", "TOLOKA_VAULT_KV=1", "TOLOKA_VAULT_MOUNT=kv",
		"TOLOKA_VAULT_FIELD=api_key",
		"TOLOKA_TOKEN=AQVN-of-the-developer", "TOLOKA_TOKEN_FILE=/nowhere",
		"CREDENTIALS_DIRECTORY="+os.TempDir())
	output, err := examples.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.True(t, strings.HasPrefix(string(output), "PASS\n"), "%s", output)
}
