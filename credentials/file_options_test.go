package credentials_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/describe"
)

func TestFileOptions(t *testing.T) {
	f := newSecretFile(t, apiKey)
	for _, tt := range []struct {
		name    string
		opts    []credentials.FileOption
		message string
	}{
		{"nil", []credentials.FileOption{nil}, "option 1 of 1 is nil"},
		{"nil after another", []credentials.FileOption{credentials.WithJSON(), nil},
			"option 2 of 2 is nil"},
		{"empty field", []credentials.FileOption{credentials.WithField("")},
			"WithField: the name of the field is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := credentials.File(f.path, tt.opts...)
			_, err := p.Token(t.Context())
			wantFileError(t, err, f.path, tt.message, credentials.ErrInvalid, nil)
			_, err = poll(t, p, nil)
			wantFileError(t, err, f.path, tt.message, credentials.ErrInvalid, nil)
			assert.Equal(t, "file:"+f.path, describe.Of(p))
		})
	}
}

func TestFileWithJSON(t *testing.T) {
	const notJSON = "file is not a JSON object, as WithJSON and WithField expect: remove the " +
		"option, or write valid JSON"
	standard, field := credentials.WithJSON(), credentials.WithField("api_key")
	for _, tt := range []struct {
		name    string
		opts    []credentials.FileOption
		content string
		message string // "" means that the token is found
	}{
		{"token", []credentials.FileOption{standard}, `{"token": "@T@"}`, ""},
		{"value", []credentials.FileOption{standard}, `{"value": "@T@"}`, ""},
		{"scheme and white space", []credentials.FileOption{standard},
			"\ufeff {\"token\": \" ApiKey @T@\\n\"}\r\n", ""},
		{"other fields", []credentials.FileOption{standard},
			`{"id": 1, "token": "@T@", "x": {"value": "y"}, "z": [1, "value"]}`, ""},
		{"escaped value", []credentials.FileOption{standard}, `{"token": "\u0041@T@"}`, ""},
		{"named field", []credentials.FileOption{field}, `{"api_key": "@T@", "token": "other"}`, ""},
		{"named field replaces the standard names", []credentials.FileOption{field, standard},
			`{"api_key": "@T@", "token": "other"}`, ""},
		{"field with dots", []credentials.FileOption{credentials.WithField("toloka.token")},
			`{"toloka.token": "@T@"}`, ""},

		{"plain token", []credentials.FileOption{standard}, "@T@", notJSON},
		{"array", []credentials.FileOption{standard}, `["@T@"]`, notJSON},
		{"string", []credentials.FileOption{standard}, `"@T@"`, notJSON},
		{"cut off", []credentials.FileOption{standard}, `{"token": "@T@"`, notJSON},
		{"cut off in the value", []credentials.FileOption{standard}, `{"token": "@T@`, notJSON},
		{"two objects", []credentials.FileOption{standard}, `{"token": "@T@"} {}`, notJSON},
		{"trailing text", []credentials.FileOption{standard}, `{"token": "@T@"} @T@`, notJSON},
		{"empty object", []credentials.FileOption{standard}, `{}`,
			`JSON object has no field "token" or "value": name the field with WithField`},
		{"other case", []credentials.FileOption{standard}, `{"Token": "@T@"}`,
			`JSON object has no field "token" or "value": name the field with WithField`},
		{"both names", []credentials.FileOption{standard}, `{"value": "@T@", "token": "@T@"}`,
			`JSON object has more than one field "token" or "value": keep one, or name it with WithField`},
		{"same name twice", []credentials.FileOption{field}, `{"api_key": "@T@", "api_key": "@T@"}`,
			`JSON object has more than one field "api_key": keep one, or name it with WithField`},
		{"number", []credentials.FileOption{standard}, `{"token": 5}`,
			`JSON field "token" is not a string`},
		{"null", []credentials.FileOption{standard}, `{"token": null}`,
			`JSON field "token" is not a string`},
		{"object", []credentials.FileOption{standard}, `{"token": {"value": "@T@"}}`,
			`JSON field "token" is not a string`},
		{"empty value", []credentials.FileOption{standard}, `{"token": ""}`,
			"in its JSON field, the token is empty"},
		{"quoted value", []credentials.FileOption{standard}, `{"token": "'@T@'"}`,
			"in its JSON field, the token is in single quotes: remove them (docker run --env-file keeps " +
				"quotes)"},
		{"empty file", []credentials.FileOption{standard}, "\n", "file is empty"},
		{"secret as the name", []credentials.FileOption{credentials.WithField(apiKey)}, "{}",
			"JSON object has no field (hidden): name the field with WithField"},
		{"no option", nil, `{"token": "@T@"}`,
			"token is a JSON object: store the token alone, or read it from a file with " +
				"credentials.WithJSON or credentials.WithField"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newSecretFile(t, strings.ReplaceAll(tt.content, "@T@", apiKey))
			token, err := credentials.File(f.path, tt.opts...).Token(t.Context())
			if tt.message != "" {
				wantFileError(t, err, f.path, tt.message, credentials.ErrInvalid, nil)
				return
			}
			require.NoError(t, err)
			assert.True(t,
				strings.TrimPrefix(token.Reveal(), "A") == strings.TrimPrefix(apiKey,
					"A") || token.Reveal() == "A"+apiKey)
		})
	}

	t.Run("rotation", func(t *testing.T) {
		f := newSecretFile(t, `{"token": "`+oldToken+`"}`)
		p := credentials.File(f.path, standard)
		wantValue(t, p, oldToken)
		wantPoll(t, p, false, parse(t, oldToken))
		f.replace(`{"token": "` + newToken + `", "since": "today"}`)
		wantPoll(t, p, true, parse(t, oldToken))
		wantValue(t, p, newToken)
	})
}

func FuzzFileWithJSON(f *testing.F) {
	for _, seed := range []string{`{"token": "x"}`, `{"value": "x", "token": "y"}`, "{",
		`{"token": 1}`, `{"token": "x"} x`, "x", "\xff", `{"token":"\ud800"}`} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "token")
	p := credentials.File(path, credentials.WithJSON())
	f.Fuzz(func(t *testing.T, content string) {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		token, err := p.Token(t.Context())
		if err == nil && !token68.MatchString(token.Reveal()) {
			t.Fatalf("%q: token %q", content, token.Reveal())
		}
		if err != nil && !token.IsZero() {
			t.Fatalf("%q: a token and error %v", content, err)
		}
	})
}

func TestShownPath(t *testing.T) {
	for _, tt := range []struct{ name, path, shown string }{
		{"plain path", "/etc/toloka/token", "/etc/toloka/token"},
		{"letters outside ASCII", "/etc/größe/токен", "/etc/größe/токен"},
		{"space", "/mnt/My Files/token", `"/mnt/My Files/token"`},
		{"Windows", `C:\Program Files\token`, `"C:\\Program Files\\token"`},
		{"relative path", "my token.txt", `"my token.txt"`},
		{"file named like a scheme", "OAuth", "OAuth"},
		{"directory named like a scheme", "OAuth/token", "OAuth/token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			p := credentials.File(tt.path)
			assert.Equal(t, "file:"+tt.shown, describe.Of(p))
			_, err := p.Token(t.Context())
			wantFileError(t, err, tt.shown, "no such file", credentials.ErrNotFound, os.ErrNotExist)
		})
	}

	t.Run("files with a space, or a name like a token", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "My Secrets")
		require.NoError(t, os.Mkdir(dir, 0o700))
		t.Chdir(dir)
		for _, name := range []string{"toloka token", "ApiKey token", apiKey} {
			require.NoError(t, os.WriteFile(name, []byte(apiKey), 0o600))
			wantValue(t, credentials.File(filepath.Join(dir, name)), apiKey)
			wantValue(t, credentials.File(name), apiKey)
		}
	})
}

func TestTokenInPlaceOfPath(t *testing.T) {
	const (
		key   = "AQVN0123456789abcdefgh." + canary + ".abc"
		looks = "looks like a secret"
	)
	for _, tt := range []struct{ name, path, problem string }{
		{"alone", key, looks},
		{"line end", key + "\r\n", "has a line break"},
		{"word after it", key + " extra", looks},
		{"word before it", "my " + key, looks},
		{"line after it", key + "\nextra/path", "has a line break"},
		{"env line", "TOLOKA_TOKEN=" + key, "looks like a line NAME=value of an env file"},
		{"quotes", `"` + key + `"`, "has quotes"},
		{"scheme in quotes", "'ApiKey " + key + "'", "starts like an Authorization header"},
		{"list", "/etc/toloka/token," + key + ";x", "has a separator in it"},
		{"letters outside ASCII before it", "ключ" + key, looks},
		{"control character before it", "\x1b" + key, "has characters that cannot be printed"},
		{"scheme", "ApiKey " + key, "starts like an Authorization header"},
		{"scheme and colon", "apikey: " + key, "starts like an Authorization header"},
		{"header", "Authorization: OAuth AQAA/" + canary, "starts like an Authorization header"},
		{"scheme, short, with a slash", "OAuth AQAA/" + canary, "starts like an Authorization header"},
		{"byte order mark", "\ufeffOAuth AQAA" + canary, "has characters that cannot be printed"},
		{"JSON", `{"token": "` + key + `"}`, "has quotes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := "(hidden): no such file: the path of a file belongs here, " +
				"but this " + tt.problem + ": give the path, not the token"
			p := credentials.File(tt.path)
			assert.Equal(t, "file:(hidden)", describe.Of(p))
			_, err := p.Token(t.Context())
			require.EqualError(t, err, "credentials: file:"+want)
			wantKind(t, err, credentials.ErrInvalid)

			p = credentials.NewDefault(environment("TOLOKA_TOKEN_FILE", tt.path), t.TempDir())
			_, err = p.Token(t.Context())
			require.EqualError(t, err,
				"credentials: TOLOKA_TOKEN_FILE="+want+" (asked before: env:TOLOKA_TOKEN: not set)")
			wantKind(t, err, credentials.ErrInvalid)
			assert.False(t, shows(describe.Of(p)))
		})
	}
}
