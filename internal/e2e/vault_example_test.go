//go:build unix

package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/vaulttest"
)

// TestVaultExample runs the commands in the README of examples/vault, on free ports and with a fake
// platform.
func TestVaultExample(t *testing.T) {
	readme, err := os.ReadFile("../../examples/vault/README.md")
	require.NoError(t, err)
	commands := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(readme)
	require.NotNil(t, commands)
	platform := requestertest.NewServer()
	t.Cleanup(platform.Close)
	vaultAddress, address := process.Reserve(t), process.Reserve(t)
	script := strings.NewReplacer(
		"127.0.0.1:8200", vaultAddress, "YOUR_TOKEN", platform.IssueToken("").Reveal(),
	).Replace(string(commands[1]))

	dir := t.TempDir()
	binary, err := filepath.Abs(vaulttest.Binary(t))
	require.NoError(t, err)
	require.NoError(t, os.Symlink(binary, filepath.Join(dir, "vault")))
	goEnv, err := exec.Command("go", "env", "GOPATH", "GOMODCACHE", "GOCACHE").Output()
	require.NoError(t, err)
	values := strings.Fields(string(goEnv))

	// Without a configuration it says what is missing. Its binary is then cached, so that compiling
	// does not delay the service.
	unset := exec.Command("go", "run", "./examples/vault")
	unset.Dir = "../.."
	printed, err := unset.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(printed), "TOLOKA_VAULT_PATH is not set: set it to the path of the secret in Vault")

	output, err := os.Create(filepath.Join(dir, "output"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = output.Close() })
	shell := exec.Command("bash", "-e", "-c", script)
	shell.Dir = "../.."
	shell.Stdout, shell.Stderr = output, output
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to end what it has started
	shell.Env = []string{
		"HOME=" + dir, // the development server writes its token there
		"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"),
		"GOPATH=" + values[0], "GOMODCACHE=" + values[1], "GOCACHE=" + values[2],
		"TOLOKA_BASE_URL=" + platform.URL, "LISTEN_ADDR=" + address,
	}
	require.NoError(t, shell.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-shell.Process.Pid, syscall.SIGTERM)
		_ = shell.Wait()
		if t.Failed() {
			printed, _ := os.ReadFile(output.Name())
			t.Logf("output of the commands:\n%s", printed)
		}
	})

	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	process.Await(t, "the account behind the gate", func() error {
		resp, err := client.Get("http://" + address + "/account")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		id := []byte(`"id":"` + requestertest.DefaultAccount().ID + `"`)
		if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(body, id) {
			return fmt.Errorf("%d %s %w", resp.StatusCode, body, err)
		}
		return nil
	})
}
