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

func TestMain(m *testing.M) {
	// The examples say themselves where the token is.
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "TOLOKA_") || strings.HasPrefix(name, "VAULT_") || name == "CREDENTIALS_DIRECTORY" {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

const root = "../.."

var block = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// documents have snippets.
var documents = []string{"README.md", "credentials/vault/README.md", "examples/vault/README.md"}

func TestEverySnippetIsCodeThatRuns(t *testing.T) {
	code := flatten(goSource(t, ".")) + flatten(goSource(t, filepath.Join(root, "examples")))
	for _, document := range documents {
		for _, snippet := range block.FindAllStringSubmatch(read(t, document), -1) {
			assert.True(t, strings.Contains(code, flatten(snippet[1])), "%s: neither in an Example nor in examples/:\n%s", document, snippet[1])
		}
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	for _, document := range append(documents, "SECURITY.md") {
		for _, match := range link.FindAllStringSubmatch(read(t, document), -1) {
			if !strings.Contains(match[1], "://") {
				_, err := os.Stat(filepath.Join(root, filepath.Dir(document), match[1]))
				assert.NoError(t, err, document)
			}
		}
	}
}

func TestEveryTestThatSECURITYNamesIsThere(t *testing.T) {
	text := read(t, "SECURITY.md")
	names := regexp.MustCompile("`([a-z0-9/]+/[a-z0-9_/]+(?:_test\\.go)?)`").FindAllStringSubmatch(text, -1)
	assert.NotRegexp(t, "`[a-z0-9_]+_test\\.go`", text, "with its folder, or nobody looks whether it is there")
	require.NotEmpty(t, names)
	for _, name := range names {
		_, err := os.Stat(filepath.Join(root, name[1]))
		assert.NoError(t, err)
	}
}

func read(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	require.NoError(t, err)
	return string(text)
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
