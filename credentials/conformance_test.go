package credentials_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/credentialstest"
	"github.com/tolokacheck/tolokacheck/internal/secretfile"
)

// missing never has a token.
var missing = credentials.Env("CREDENTIALS_TEST_UNSET")

func TestConformance(t *testing.T) {
	t.Run("Static", func(t *testing.T) {
		credentialstest.Run(t, func(_ testing.TB, value string) credentialstest.Driver {
			return credentialstest.Driver{Provider: credentials.Static(value)}
		})
	})

	t.Run("Env", func(t *testing.T) { credentialstest.Run(t, openEnv) })

	t.Run("File", func(t *testing.T) {
		credentialstest.Run(t, func(tb testing.TB, value string) credentialstest.Driver {
			var reads atomic.Int64
			f := newSecretFile(tb, value)
			d := f.driver(credentials.FileWithOpen(f.path, func(path string) (*os.File, error) {
				reads.Add(1)
				return secretfile.Open(path)
			}))
			d.Reads = func() int { return int(reads.Load()) }
			return d
		})
	})

	t.Run("ProviderFunc", func(t *testing.T) {
		credentialstest.Run(t, func(tb testing.TB, value string) credentialstest.Driver {
			d := openEnv(tb, value)
			var reads atomic.Int64
			inner := d.Provider
			d.Provider = credentials.ProviderFunc(func(ctx context.Context) (credentials.Token, error) {
				reads.Add(1)
				return inner.Token(ctx)
			})
			d.Reads = func() int { return int(reads.Load()) }
			return d
		})
	})

	t.Run("File with a JSON object", func(t *testing.T) {
		credentialstest.Run(t, func(tb testing.TB, value string) credentialstest.Driver {
			object := func(value string) string { return fmt.Sprintf("{%q: %q}\n", "api_key", value) }
			f := newSecretFile(tb, object(value))
			d := f.driver(credentials.File(f.path, credentials.WithField("api_key")))
			set := d.Set
			d.Set = func(value string) { set(object(value)) }
			return d
		})
	})

	type provider = credentials.Provider
	for name, wrap := range map[string]func(provider) provider{
		"Chain of one":                func(p provider) provider { return credentials.Chain(p) },
		"Chain after a missing token": func(p provider) provider { return credentials.Chain(missing, p) },
		"Chain in a chain": func(p provider) provider {
			return credentials.Chain(credentials.Chain(missing, p), missing)
		},
		"Failover of the same source": func(p provider) provider { return credentials.Failover(p, p) },
		"Chain of a failover of the same file": func(p provider) provider {
			return credentials.Chain(credentials.Failover(p, p))
		},
	} {
		t.Run(name, func(t *testing.T) {
			credentialstest.Run(t, func(tb testing.TB, value string) credentialstest.Driver {
				f := newSecretFile(tb, value)
				return f.driver(wrap(credentials.File(f.path)))
			})
		})
	}

	for _, variable := range []string{"TOLOKA_TOKEN_FILE", "CREDENTIALS_DIRECTORY", ""} {
		t.Run("Default with "+cmp.Or(variable, "Docker secret"), func(t *testing.T) {
			credentialstest.Run(t, func(tb testing.TB, value string) credentialstest.Driver {
				f := newSecretFile(tb, value)
				secrets := filepath.Dir(f.path)
				places := map[string]string{"TOLOKA_TOKEN_FILE": f.path, "CREDENTIALS_DIRECTORY": secrets}
				env := environment(variable, places[variable])
				if variable != "" {
					secrets = tb.TempDir()
				}
				return f.driver(credentials.NewDefault(env, secrets))
			})
		})
	}
}

func openEnv(tb testing.TB, value string) credentialstest.Driver {
	const name = "CREDENTIALS_TEST_TOKEN"
	tb.Setenv(name, value)
	return credentialstest.Driver{
		Provider: credentials.Env(name),
		Set:      func(value string) { require.NoError(tb, os.Setenv(name, value)) },
		Remove:   func() { require.NoError(tb, os.Unsetenv(name)) },
	}
}

// environment returns a lookup in pairs of name and value.
func environment(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name && name != "" {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// secretFile is a file in a directory of its own.
type secretFile struct {
	testing.TB
	path string
}

func newSecretFile(tb testing.TB, content string) secretFile {
	f := secretFile{tb, filepath.Join(tb.TempDir(), "toloka-token")}
	f.write(content)
	return f
}

// write writes in place, as some editors do.
func (f secretFile) write(content string) {
	f.Helper()
	require.NoError(f, os.WriteFile(f.path, []byte(content), 0o600))
}

// replace renames another file to it, as careful writers do.
func (f secretFile) replace(content string) {
	f.Helper()
	next := f.path + ".next"
	require.NoError(f, os.WriteFile(next, []byte(content), 0o600))
	require.NoError(f, os.Rename(next, f.path))
}

func (f secretFile) remove() {
	f.Helper()
	require.NoError(f, os.Remove(f.path))
}

func (f secretFile) driver(p credentials.Provider) credentialstest.Driver {
	return credentialstest.Driver{
		Provider: p,
		Set: func(value string) {
			if info, err := os.Stat(f.path); err == nil && info.IsDir() {
				f.remove()
			}
			f.replace(value)
		},
		Remove: f.remove,
		Break: func() {
			f.remove()
			require.NoError(f, os.Mkdir(f.path, 0o700))
		},
	}
}
