package readme

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestForwardAuthSnippets looks for the configurations that the tests in internal/e2e/forwardauth
// run in forward-auth.md.
func TestForwardAuthSnippets(t *testing.T) {
	text := read(t, ".github/docs/forward-auth.md")
	for file, language := range map[string]string{
		"nginx.conf": "nginx", "Caddyfile": "caddyfile",
		"haproxy.cfg": "haproxy", "forwardauth.lua": "lua",
	} {
		config := read(t, "internal/e2e/forwardauth/testdata/"+file)
		assert.Contains(t, text, "```"+language+"\n"+config+"```\n", file)
	}
}
