package process

import (
	"os/exec"
	"testing"
)

// Find returns the path of an installed program. It fails the test if the program is missing.
func Find(tb testing.TB, name string) string {
	tb.Helper()
	// Debian installs servers in directories that a user's PATH may lack.
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	tb.Fatalf("%s is not installed: run internal/e2e/install-servers.sh as root on Debian, "+
		"or install it by hand", name)
	return ""
}
