package nethttp_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestImports checks that a net/http service links no other framework, and no test code.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	require.NoError(t, err, string(out))
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "github.com/tolokacheck/tolokacheck/middleware")
	for _, unwanted := range []string{
		"github.com/labstack/",
		"github.com/hashicorp/",
		"github.com/prometheus/",
		"github.com/stretchr/",
		"github.com/redis/",
		"go.uber.org/",
		"google.golang.org/",
		"pgregory.net/",
		"testing",
		"net/http/httptest",
	} {
		for _, pkg := range packages {
			assert.False(t, strings.HasPrefix(pkg, unwanted), pkg)
		}
	}
}
