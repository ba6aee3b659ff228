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

const advice = "; set TOLOKA_TOKEN to an API token from the account's Integrations page, or " +
	"TOLOKA_TOKEN_FILE to the path of a file that holds one"

func TestDefault(t *testing.T) {
	t.Run("order of the places", func(t *testing.T) {
		file, unit, docker := newSecretFile(t, "file-token"), newSecretFile(t,
			"unit-token"), newSecretFile(t, "docker-token")
		token := []string{"TOLOKA_TOKEN", "variable-token"}
		path := []string{"TOLOKA_TOKEN_FILE", file.path}
		directory := []string{"CREDENTIALS_DIRECTORY", filepath.Dir(unit.path)}
		for _, tt := range []struct {
			name            string
			variables       [][]string
			value, describe string
		}{
			{"TOLOKA_TOKEN", [][]string{token, directory}, "variable-token", "env:TOLOKA_TOKEN"},
			{"TOLOKA_TOKEN_FILE", [][]string{path, directory}, "file-token", "file:" + file.path},
			{"TOLOKA_TOKEN_FILE, with TOLOKA_TOKEN empty", [][]string{{"TOLOKA_TOKEN", ""}, path},
				"file-token", "file:" + file.path},
			{"TOLOKA_TOKEN, with TOLOKA_TOKEN_FILE empty", [][]string{token, {"TOLOKA_TOKEN_FILE", ""}},
				"variable-token", "env:TOLOKA_TOKEN"},
			{"CREDENTIALS_DIRECTORY", [][]string{directory}, "unit-token", "file:" + unit.path},
			{"the Docker secret", nil, "docker-token", "file:" + docker.path},
		} {
			t.Run(tt.name, func(t *testing.T) {
				var pairs []string
				for _, v := range tt.variables {
					pairs = append(pairs, v...)
				}
				p := credentials.NewDefault(environment(pairs...), filepath.Dir(docker.path))
				wantValue(t, p, tt.value)
				assert.Equal(t, tt.describe, describe.Of(p))
			})
		}
	})

	t.Run("no token anywhere", func(t *testing.T) {
		empty := t.TempDir()
		docker := "file:" + filepath.Join(empty, "toloka-token") + ": no such file"
		for _, tt := range []struct {
			name    string
			pairs   []string
			message string
		}{
			{"nothing set", nil,
				"env:TOLOKA_TOKEN: not set; env:TOLOKA_TOKEN_FILE: not set; " +
					"env:CREDENTIALS_DIRECTORY: not set; " + docker},
			{"all empty", []string{"TOLOKA_TOKEN", "", "TOLOKA_TOKEN_FILE", "", "CREDENTIALS_DIRECTORY", ""},
				"env:TOLOKA_TOKEN: empty; env:TOLOKA_TOKEN_FILE: empty; env:CREDENTIALS_DIRECTORY: empty; " + docker},
			{"missing files",
				[]string{"TOLOKA_TOKEN_FILE", filepath.Join(empty, "x"), "CREDENTIALS_DIRECTORY", empty},
				"env:TOLOKA_TOKEN: not set; TOLOKA_TOKEN_FILE=" + filepath.Join(empty, "x") + ": no such file; " +
					"$CREDENTIALS_DIRECTORY/toloka-token=" + filepath.Join(empty, "toloka-token") +
					": no such file; " + docker},
		} {
			t.Run(tt.name, func(t *testing.T) {
				p := credentials.NewDefault(environment(tt.pairs...), empty)
				_, err := p.Token(t.Context())
				require.EqualError(t, err, "credentials: no token found: "+tt.message+advice)
				wantKind(t, err, credentials.ErrNotFound)
				wantPoll(t, p, false) // TOLOKA_TOKEN is not polled
			})
		}
	})

	t.Run("both variables set", func(t *testing.T) {
		f := newSecretFile(t, oldToken)
		p := credentials.NewDefault(environment("TOLOKA_TOKEN", newToken, "TOLOKA_TOKEN_FILE", f.path),
			t.TempDir())
		_, err := p.Token(t.Context())
		require.EqualError(t, err,
			"credentials: TOLOKA_TOKEN and TOLOKA_TOKEN_FILE are both set: unset one of them")
		wantKind(t, err, credentials.ErrInvalid)
		_, err = poll(t, p, nil)
		wantKind(t, err, credentials.ErrInvalid)
	})

	t.Run("broken place", func(t *testing.T) {
		f, docker := newSecretFile(t, ""), newSecretFile(t, oldToken)
		before := " (asked before: env:TOLOKA_TOKEN: not set)"
		for _, tt := range []struct {
			name, message string
			pairs         []string
		}{
			{"empty file", "TOLOKA_TOKEN_FILE=" + f.path + ": file is empty" + before,
				[]string{"TOLOKA_TOKEN_FILE", f.path}},
			{"directory",
				"TOLOKA_TOKEN_FILE=" + filepath.Dir(f.path) + ": is a directory: give the path of a file in " +
					"it" + before, []string{"TOLOKA_TOKEN_FILE", filepath.Dir(f.path)}},
			{"empty systemd credential",
				"$CREDENTIALS_DIRECTORY/toloka-token=" + f.path + ": file is empty (asked before: " +
					"env:TOLOKA_TOKEN: not set; env:TOLOKA_TOKEN_FILE: not set)", []string{"CREDENTIALS_DIRECTORY",
					filepath.Dir(f.path)}},
			{"token in the wrong variable",
				"TOLOKA_TOKEN_FILE=(hidden): no such file: the path of a file belongs here, but this looks " +
					"like a secret: give the path, not the token" + before, []string{"TOLOKA_TOKEN_FILE", apiKey}},
			{"invalid value",
				"env:TOLOKA_TOKEN: token has white space inside, at byte 5: only ApiKey or OAuth may stand " +
					"before a space", []string{"TOLOKA_TOKEN", "AQVN abcd"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				p := credentials.NewDefault(environment(tt.pairs...), filepath.Dir(docker.path))
				_, err := p.Token(t.Context())
				require.EqualError(t, err, "credentials: "+tt.message)
				wantKind(t, err, credentials.ErrInvalid)
			})
		}
	})
}

func TestDefaultSettings(t *testing.T) {
	t.Run("variables are read at each call", func(t *testing.T) {
		f := newSecretFile(t, oldToken)
		p := credentials.NewDefault(os.LookupEnv, t.TempDir())
		for _, name := range []string{"TOLOKA_TOKEN", "TOLOKA_TOKEN_FILE", "CREDENTIALS_DIRECTORY"} {
			t.Setenv(name, "")
		}
		_, err := p.Token(t.Context())
		require.ErrorIs(t, err, credentials.ErrNotFound)
		assert.True(t, strings.HasPrefix(describe.Of(p), "env:TOLOKA_TOKEN, file:$TOLOKA_TOKEN_FILE, "+
			"file:$CREDENTIALS_DIRECTORY/toloka-token, file:"), describe.Of(p))

		t.Setenv("TOLOKA_TOKEN_FILE", f.path)
		wantPoll(t, p, true)
		wantValue(t, p, oldToken)
		wantPoll(t, p, false, parse(t, oldToken))

		moved := newSecretFile(t, newToken)
		t.Setenv("TOLOKA_TOKEN_FILE", moved.path)
		wantPoll(t, p, true, parse(t, oldToken))
		wantValue(t, p, newToken)

		t.Setenv("TOLOKA_TOKEN_FILE", "")
		_, err = p.Token(t.Context())
		require.EqualError(t, err, "credentials: env:TOLOKA_TOKEN_FILE: empty; there was a token before")
		wantKind(t, err, nil)
	})

	t.Run("options apply to every file", func(t *testing.T) {
		f := newSecretFile(t, oldToken)
		require.NoError(t, os.Chmod(f.path, 0o644))
		dir := filepath.Dir(f.path)
		strict := credentials.RefuseInsecurePermissions()
		for _, pairs := range [][]string{{"TOLOKA_TOKEN_FILE", f.path}, {"CREDENTIALS_DIRECTORY", dir}, nil} {
			_, err := credentials.NewDefault(environment(pairs...), dir, strict).Token(t.Context())
			require.ErrorContains(t, err, "mode 0644 lets every user read the token: run chmod o= on it")
		}
	})

	t.Run("invalid option", func(t *testing.T) {
		for message, opt := range map[string]credentials.FileOption{
			"option 1 of 1 is nil": nil, "WithField: the name of the field is empty": credentials.WithField(""),
		} {
			p := credentials.NewDefault(environment("TOLOKA_TOKEN", oldToken), t.TempDir(), opt)
			_, err := p.Token(t.Context())
			require.EqualError(t, err, "credentials: "+message)
			wantKind(t, err, credentials.ErrInvalid)
			_, err = poll(t, p, nil)
			wantKind(t, err, credentials.ErrInvalid)
		}
	})

	t.Run("real environment", func(t *testing.T) {
		for _, name := range []string{"TOLOKA_TOKEN_FILE", "CREDENTIALS_DIRECTORY"} {
			t.Setenv(name, "")
		}
		t.Setenv("TOLOKA_TOKEN", oldToken)
		p := credentials.Default()
		assert.Equal(t,
			"env:TOLOKA_TOKEN, file:$TOLOKA_TOKEN_FILE, file:$CREDENTIALS_DIRECTORY/toloka-token, "+
				"file:/run/secrets/toloka-token", describe.Of(p))
		wantValue(t, p, oldToken)
	})
}
