package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const root = "../.."

var block = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

func TestEverySnippetOfTheREADMEIsCodeThatRuns(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	code := flatten(goSource(t, ".")) + flatten(goSource(t, filepath.Join(root, "examples")))
	snippets := block.FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, snippets)
	for _, snippet := range snippets {
		assert.True(t, strings.Contains(code, flatten(snippet[1])), "neither in an Example nor in examples/:\n%s", snippet[1])
	}
}

func TestEveryFileTheREADMELinksToExists(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	links := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`).FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		if !strings.Contains(link[1], "://") {
			assert.FileExists(t, filepath.Join(root, link[1]))
		}
	}
}

// goSource returns all Go files below dir.
func goSource(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		source, err := os.ReadFile(path)
		b.Write(source)
		return err
	})
	require.NoError(t, err)
	return b.String()
}

// flatten makes code comparable that is indented differently.
func flatten(code string) string {
	var lines []string
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
