package vault

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/names"
	"github.com/tolokacheck/tolokacheck/internal/secretfile"
	"github.com/tolokacheck/tolokacheck/internal/secrettext"
)

// Source provides the secret that a login method sends: [Value], [Env], [File] or [Wrapped].
//
// Env and File are read at every login, so a rotated secret is used by the next one. White
// space, line ends and a byte order mark around the secret are removed. The zero Source holds
// nothing; a login method that has it is invalid. A Source is safe for concurrent use.
type Source struct {
	wrapped bool
	read    func(context.Context) (string, error) // a func, so that printing shows no secret
}

// Value is a secret that the program already has in memory.
func Value(secret string) Source {
	secret = secrettext.Trim(secret)
	return Source{read: func(context.Context) (string, error) {
		if secret == "" {
			return "", settingError("the login's secret is empty")
		}
		return secret, nil
	}}
}

// Env is a secret in an environment variable. An empty variable counts as unset. Errors show
// name only if it looks like the name of a variable.
func Env(name string) Source {
	return Source{read: func(context.Context) (string, error) {
		secret := secrettext.Trim(os.Getenv(name))
		if secret != "" {
			return secret, nil
		}
		shown := names.Variable(name)
		if shown.Problem != "" {
			return "", settingError("env:%s: the name of a variable belongs here, but this %s: "+
				"use Value for the secret itself", shown.Text, shown.Problem)
		}
		return "", settingError("env:%s: variable is not set", name)
	}}
}

// File is a secret in a regular file of at most 64 KiB, such as the sink of a Vault Agent, a
// projected service account token or a secret id written by a deployment tool. Errors show
// path only if it looks like a path.
func File(path string) Source {
	return Source{read: func(ctx context.Context) (string, error) {
		file, err := secretfile.Read(ctx, path)
		if err != nil {
			return "", fileError(ctx, path, err)
		}
		secret := secrettext.Trim(string(file.Content))
		if secret == "" {
			problem := "file is empty: the program that writes it may not have run yet"
			return "", &vaultError{problem: fileName(path) + problem, unasked: true}
		}
		return secret, nil
	}}
}

// Wrapped marks src as holding a response-wrapping token instead of the secret. Vault exchanges
// it for the secret once. Only [AppRole] can use it, for a wrapped secret id.
//
// The secret is kept in memory for later logins until src holds another wrapping token. After
// the first login src may be empty or missing.
func Wrapped(src Source) Source {
	src.wrapped = true
	return src
}

// fileError explains why the file at path cannot be read.
func fileError(ctx context.Context, path string, err error) *vaultError {
	e := &vaultError{problem: fileName(path) + err.Error(), cause: err, unasked: true}
	failure := (*secretfile.Error)(nil)
	if !errors.As(err, &failure) {
		e.cause = context.Cause(ctx)
		e.problem = fileName(path) + e.cause.Error()
		return e
	}
	e.cause = failure.Err
	switch shown := names.Path(path); {
	case failure.Permanent:
		e.kind = credentials.ErrInvalid
	case !errors.Is(err, fs.ErrNotExist):
	case shown.Problem != "":
		e.kind = credentials.ErrInvalid
		e.problem += ": the path of a file belongs here, but this " + shown.Problem +
			": use Value for the secret itself"
	default:
		e.problem += ": the program that writes it may not have run yet"
	}
	return e
}

func fileName(path string) string { return "file:" + word(names.Path(path)) + ": " }

// word is a name on a line of other words.
func word(name names.Name) string {
	if strings.Contains(name.Text, " ") {
		return strconv.Quote(name.Text)
	}
	return name.Text
}

// quoted is a name in quotes, or [names.Hidden] without them.
func quoted(name names.Name) string {
	if name.Problem != "" {
		return name.Text
	}
	return strconv.Quote(name.Text)
}
