package pollers_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The servers in the files in testdata, which are the snippets of .github/docs/load-balancers.md.
const (
	server1 = "10.0.0.11:8080"
	server2 = "10.0.0.12:8080"
)

// config is the text of a configuration file.
type config struct {
	name string
	text string
}

// readConfig reads a file in testdata.
func readConfig(t *testing.T, name string) *config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return &config{name, string(text)}
}

// replace replaces every occurrence of old, of which there must be one.
func (c *config) replace(t *testing.T, old, new string) *config {
	t.Helper()
	require.Contains(t, c.text, old, c.name)
	return &config{c.name, strings.ReplaceAll(c.text, old, new)}
}

// write writes the file to a new folder and returns its path.
func (c *config) write(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), c.name)
	require.NoError(t, os.WriteFile(path, []byte(c.text), 0o644))
	return path
}

// port returns the port of an address.
func port(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return port
}
