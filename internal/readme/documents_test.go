package readme

import (
	"go/format"
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
		if strings.HasPrefix(name, "TOLOKA_") || strings.HasPrefix(name, "VAULT_") ||
			name == "CREDENTIALS_DIRECTORY" {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

const root = "../.."

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// TestSnippets finds every Go snippet of the documents in an Example of this package, which
// compiles and runs it, or in an example program. TestProgram runs the snippets that are whole
// programs.
func TestSnippets(t *testing.T) {
	code := flatten(goSource(t, ".")) + flatten(goSource(t, filepath.Join(root, "examples")))
	for _, document := range documents(t) {
		for _, snippet := range goBlock.FindAllStringSubmatch(read(t, document), -1) {
			if strings.HasPrefix(snippet[1], "package ") {
				formatted, err := format.Source([]byte(snippet[1]))
				require.NoError(t, err, document)
				assert.Equal(t, string(formatted), snippet[1], document)
				continue
			}
			assert.Contains(t, code, flatten(snippet[1]), "%s: not in an Example", document)
		}
	}
}

// TestLinks follows the links to files and to headings of the same document.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`(?:\]\(|src=")([^)"#]*)(#[^)"]*)?[)"]`)
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	for _, document := range documents(t) {
		text := read(t, document)
		var anchors []string
		for _, match := range heading.FindAllStringSubmatch(text, -1) {
			anchors = append(anchors, "#"+strings.ReplaceAll(strings.ToLower(match[1]), " ", "-"))
		}
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, anchor := match[1], match[2]
			switch {
			case strings.Contains(target, "://"):
			case target == "":
				assert.Contains(t, anchors, anchor, document)
			default:
				_, err := os.Stat(filepath.Join(root, filepath.Dir(document), target))
				assert.NoError(t, err, document)
			}
		}
	}
}

// TestCommands finds the programs that the documents run. Continuous integration runs the commands.
func TestCommands(t *testing.T) {
	program := regexp.MustCompile(`(?:go (?:run|test|build -o \S+)|^|\s)(?: -C \S+)? \.?/?((?:examples|internal)/[a-z0-9_/-]+)`)
	fence := regexp.MustCompile("(?ms)^```(?:sh|console)\n(.*?)^```$")
	found := 0
	for _, document := range documents(t) {
		for _, block := range fence.FindAllStringSubmatch(read(t, document), -1) {
			for _, match := range program.FindAllStringSubmatch(" "+block[1], -1) {
				_, err := os.Stat(filepath.Join(root, match[1]))
				assert.NoError(t, err, document)
				found++
			}
		}
	}
	assert.Positive(t, found)
}

// TestSourceFiles finds the Go files that SECURITY.md and ARCHITECTURE.md name. Names without a
// directory are of package health.
func TestSourceFiles(t *testing.T) {
	file := regexp.MustCompile("`([a-z0-9/_]+\\.go)`")
	for _, document := range []string{"SECURITY.md", ".github/ARCHITECTURE.md"} {
		named := file.FindAllStringSubmatch(read(t, document), -1)
		require.NotEmpty(t, named, document)
		for _, match := range named {
			path := match[1]
			if !strings.Contains(path, "/") {
				path = "health/" + path
			}
			_, err := os.Stat(filepath.Join(root, path))
			assert.NoError(t, err, document)
		}
	}
}

// TestDeclared finds the functions, types and variables that ARCHITECTURE.md says are in a file.
func TestDeclared(t *testing.T) {
	places := regexp.MustCompile("((?:`\\w+`(?:, | and )?)+) in `([a-z/_]+\\.go)`").
		FindAllStringSubmatch(read(t, ".github/ARCHITECTURE.md"), -1)
	require.NotEmpty(t, places)
	for _, place := range places {
		code := read(t, place[2])
		for _, name := range regexp.MustCompile(`\w+`).FindAllString(place[1], -1) {
			if name != "and" {
				declared := regexp.MustCompile(`(?m)^(?:func (?:\([^)]*\) )?|type |var )` + name + `\b`)
				assert.True(t, declared.MatchString(code), "%s is not in %s", name, place[2])
			}
		}
	}
}

// TestWidth keeps the text of the documents readable in a terminal. Tables, code and links that do
// not fit are exempt.
func TestWidth(t *testing.T) {
	const limit = 110
	for _, document := range documents(t) {
		text := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(read(t, document), "")
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "|") || strings.Contains(line, "](http") || strings.HasPrefix(line, "<img") {
				continue
			}
			assert.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), limit, "%s: %s", document, line)
		}
	}
}

// documents returns the paths of all Markdown files of the module.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "testdata" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case !entry.IsDir() && filepath.Ext(path) == ".md":
			name, err := filepath.Rel(root, path)
			all = append(all, filepath.ToSlash(name))
			return err
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, all, "README.md")
	return all
}

func read(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	require.NoError(t, err)
	return string(text)
}

// goSource returns all Go files under dir.
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
