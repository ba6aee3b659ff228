package credentials_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func TestTokenInPlaceOfAPath(t *testing.T) {
	const key = "AQVN0123456789abcdefgh." + canary + ".abc"
	mark := "(" + parse(t, key).Fingerprint() + ")"
	fingerprint := func(value string) string { return "(" + parse(t, value).Fingerprint() + ")" }
	for _, tt := range []struct{ name, path, shown string }{
		{"alone", key, mark},
		{"with a line end", key + "\r\n", mark},
		{"before another word", key + " extra", mark},
		{"after another word", "token " + key, mark},
		{"before another line", key + "\nextra/path", mark},
		{"after the name of a variable", "TOLOKA_TOKEN=" + key, mark},
		{"in quotes", `"` + key + `"`, mark},
		{"in single quotes, with a scheme", "'ApiKey " + key + "'", mark},
		{"in a list", "/etc/toloka/token," + key + ";x", mark},
		{"after letters outside ASCII", "ключ" + key, mark},
		{"after a control character", "\x1b" + key, mark},
		{"after a scheme", "ApiKey " + key, mark},
		{"after a scheme in lower case and a colon", "apikey: " + key, mark},
		{"after a scheme and a colon", "ApiKey: " + key, mark},
		{"of 32 characters without a dot, before another word", strings.Repeat("x", 32) + " " + canary, fingerprint(strings.Repeat("x", 32))},
		{"short, after a scheme", "OAuth AQAA" + canary, fingerprint("AQAA" + canary)},
		{"with a slash, after a scheme", "ApiKey AQVN/" + canary, fingerprint("AQVN/" + canary)},
		{"with a backslash, after a scheme and a tab", "OAUTH\tAQAA\\" + canary, fingerprint(`AQAA\` + canary)},
		{"with a slash, after a scheme and a colon", "ApiKey: AQVN/" + canary, "(…)"},
		{"with a slash, after a scheme and a colon without a space", "ApiKey:AQVN/" + canary, "(…)"},
		{"with a slash, after a header's name", "Authorization: OAuth AQAA/" + canary, "(…)"},
		{"after a scheme, before another line", "OAuth AQAA" + canary + "\nfoo", "(…)"},
		{"after a scheme, before another word", "OAuth AQAA" + canary + " foo", "(…)"},
		{"after a scheme, in quotes and a line", `"OAuth AQAA/` + canary + "\"\n", fingerprint("AQAA/" + canary)},
		{"after a scheme, in quotes, before another word", `"OAuth AQAA/` + canary + `" foo`, "(…)"},
		{"with a byte order mark, after a scheme, before another word", "\ufeffOAuth AQAA" + canary + " foo", "(…)"},
	} {
		t.Run("a token "+tt.name+" is not shown, and is invalid", func(t *testing.T) {
			p := credentials.File(tt.path)
			assert.Equal(t, "file:"+tt.shown, credentials.Describe(p))
			_, err := p.Token(t.Context())
			require.EqualError(t, err, "credentials: file:"+tt.shown+": no such file: this looks like a token where the path of a file is asked for")
			wantKind(t, err, credentials.ErrInvalid)

			p = credentials.NewDefault(environment("TOLOKA_TOKEN_FILE", tt.path), t.TempDir())
			_, err = p.Token(t.Context())
			require.EqualError(t, err, "credentials: TOLOKA_TOKEN_FILE="+tt.shown+": no such file: this looks like a token where the path of a file is asked for (asked before: env:TOLOKA_TOKEN: not set)")
			wantKind(t, err, credentials.ErrInvalid)
			assert.False(t, shows(credentials.Describe(p)))
		})
	}
}

func TestPathAsItIsShown(t *testing.T) {
	for _, tt := range []struct{ name, path, shown string }{
		{"a plain path as it is", "/etc/toloka/token", "/etc/toloka/token"},
		{"letters outside ASCII as they are", "/etc/größe/токен", "/etc/größe/токен"},
		{"a path with a space in quotes", "/mnt/My Files/token", `"/mnt/My Files/token"`},
		{"a path on Windows with a space in quotes", `C:\Program Files\token`, `"C:\\Program Files\\token"`},
		{"a relative path with a space in quotes", "my token.txt", `"my token.txt"`},
		{"a line break as an escape", "/etc/token\n/etc/other", `"/etc/token\n/etc/other"`},
		{"a carriage return at the end as an escape", "/etc/token\r", `"/etc/token\r"`},
		{"a terminal's escape as one", "/etc/\x1b[31mtoken", `"/etc/\x1b[31mtoken"`},
		{"a line separator as an escape", "/etc/\u2028token", `"/etc/\u2028token"`},
		{"a mark that turns the text around as an escape", "/etc/\u202etoken", `"/etc/\u202etoken"`},
		{"bytes that are no text as escapes", "/etc/\xfftoken", `"/etc/\xfftoken"`},
		{"a file that is named like a scheme as it is", "OAuth", "OAuth"},
		{"a directory that is named like a scheme as it is", "OAuth/token", "OAuth/token"},
		{"a scheme among other words", "/home/me/OAuth stuff/token", `"/home/me/OAuth stuff/token"`},
		{"a long path with spaces", "/mnt/" + strings.Repeat("x", 40) + " y/" + strings.Repeat("z", 40), `"/mnt/` + strings.Repeat("x", 40) + " y/" + strings.Repeat("z", 40) + `"`},
		{"a header's name as it is", "Authorization", "Authorization"},
		{"separators only in quotes", " , ", `" , "`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			p := credentials.File(tt.path)
			assert.Equal(t, "file:"+tt.shown, credentials.Describe(p))
			_, err := p.Token(t.Context())
			wantFileError(t, err, tt.shown, "no such file", credentials.ErrNotFound, fs.ErrNotExist)
		})
	}

	t.Run("a file whose path has spaces works", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "My Secrets")
		require.NoError(t, os.Mkdir(dir, 0o700))
		for _, name := range []string{"toloka token", "ApiKey token", strings.Repeat("x", 32) + " token"} {
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path, []byte(apiKey), 0o600))
			wantValue(t, credentials.File(path), apiKey)
		}
		t.Chdir(dir)
		wantValue(t, credentials.File("ApiKey token"), apiKey)
	})
}

func FuzzPathAsItIsShown(f *testing.F) {
	for _, seed := range [][2]string{{"", ""}, {"ApiKey:", "x"}, {"OAuth", "\nfoo"}, {"/etc/", "/x y"}, {"\xff\xfe", "\u2028"}, {"a,b", ";c"}} {
		f.Add(seed[0], seed[1])
	}
	const key = "AQVN0123456789abcdefgh." + canary + ".abc"
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, path := range []string{before + after, before + " " + key + " " + after, "OAuth " + before + "/" + canary + " " + after} {
			shown := credentials.Describe(credentials.File(path))
			if strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("%q is shown as %q", path, shown)
			}
			if strings.Contains(path, canary) && strings.Contains(shown, canary) {
				t.Fatalf("%q is shown as %q", path, shown)
			}
		}
	})
}
