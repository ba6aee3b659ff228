package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLoadBalancerSnippets compares the configurations in load-balancers.md with the files that the
// tests in internal/e2e/pollers run.
func TestLoadBalancerSnippets(t *testing.T) {
	const testdata = "internal/e2e/pollers/testdata"
	snippet := regexp.MustCompile("(?ms)^\\[`([^`]+)`\\]\\(([^)]+)\\)\n\n```\\w+\n(.*?)^```$")
	fence := regexp.MustCompile("(?m)^```\\w+$")

	text := read(t, ".github/docs/load-balancers.md")
	snippets := map[string]string{}
	for _, match := range snippet.FindAllStringSubmatch(text, -1) {
		snippets[match[1]] = match[3]
		assert.Equal(t, "../../"+testdata+"/"+match[1], match[2], "the link")
	}
	assert.Len(t, fence.FindAllString(text, -1), len(snippets), "a snippet without a file")

	files, err := os.ReadDir(filepath.Join(root, testdata))
	require.NoError(t, err)
	assert.Len(t, snippets, len(files))
	for _, file := range files {
		assert.Equal(t, read(t, testdata+"/"+file.Name()), snippets[file.Name()], file.Name())
	}
}
