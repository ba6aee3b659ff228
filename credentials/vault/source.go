package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// maxSourceLen is more than any Vault token, secret id or service account token has, in bytes.
const maxSourceLen = 64 << 10

// Source is where a login method finds the secret that it sends: [Value], [Env], [File] or
// [Wrapped]. It is read at every login, so that a rotated secret is seen. Around what it holds
// a byte order mark and white space, line ends included, are dropped. The zero Source holds
// nothing, and [New] refuses a method that has it. Sources are safe for concurrent use.
type Source struct {
	wrapped bool
	read    func() (string, error)
}

// Value is a secret that the program already has.
func Value(secret string) Source {
	secret = trim(secret)
	return Source{read: func() (string, error) {
		if secret == "" {
			return "", settingError("the login's secret is empty")
		}
		return secret, nil
	}}
}

// Env is a secret in an environment variable. An empty variable counts as unset.
func Env(name string) Source {
	return Source{read: func() (string, error) {
		secret := trim(os.Getenv(name))
		if secret == "" {
			return "", settingError("env:%s: the variable is not set", name)
		}
		return secret, nil
	}}
}

// File is a secret in a file of up to 64 KiB: the sink of a Vault Agent, a projected service
// account token, a secret id that a deployment tool puts down.
func File(path string) Source {
	return Source{read: func() (string, error) {
		secret, err := readFile(path)
		if err != nil {
			return "", err
		}
		if secret = trim(secret); secret == "" {
			return "", fileError(path, "the file is empty: what writes it may not have run yet", nil, nil)
		}
		return secret, nil
	}}
}

// Wrapped says that src holds not the secret itself but a response-wrapping token, which
// Vault exchanges for the secret once. Only [AppRole] can use it. The secret is then kept in
// memory for later logins, until src holds another wrapping token; src may be empty or gone by
// then.
func Wrapped(src Source) Source {
	src.wrapped = true
	return src
}

func (s Source) value() (string, error) {
	if s.read == nil {
		return "", settingError("no source is given for the login's secret: use Value, Env or File")
	}
	return s.read()
}

// secretShape is what the secrets of logins look like: Vault's tokens, the ids of AppRole, JWTs.
var secretShape = regexp.MustCompile(`^\s*(?:hv[sbr]\.[\w-]{20,}|[sbr]\.[[:alnum:]]{24}|[[:xdigit:]]{8}(?:-[[:xdigit:]]{4}){3}-[[:xdigit:]]{12}|eyJ[\w-]+\.[\w-]+\.[\w-]*)\s*$`)

func readFile(path string) (string, error) {
	if secretShape.MatchString(path) {
		return "", fileError("(…)", "this is a secret where the path of a file should be: put it into a file, or use Value", credentials.ErrInvalid, nil)
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		// A FIFO would block the caller for as long as nobody writes.
		return "", fileError(path, "not a regular file", credentials.ErrInvalid, nil)
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fileError(path, "the file does not exist: what writes it may not have run yet", nil, err)
	case errors.Is(err, fs.ErrPermission):
		return "", fileError(path, "permission denied: the service's user must be able to read it", credentials.ErrInvalid, err)
	case err != nil:
		return "", fileError(path, "cannot be read: "+withoutPath(err), nil, err)
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxSourceLen+1))
	if err != nil {
		return "", fileError(path, "cannot be read: "+withoutPath(err), nil, err)
	}
	if len(content) > maxSourceLen {
		return "", fileError(path, fmt.Sprintf("larger than %d KiB", maxSourceLen>>10), credentials.ErrInvalid, nil)
	}
	return string(content), nil
}

func fileError(path, problem string, kind, cause error) *Error {
	return &Error{problem: "file:" + path + ": " + problem, kind: kind, cause: cause, unasked: true}
}

func withoutPath(err error) string {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func trim(s string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), "\ufeff"))
}
