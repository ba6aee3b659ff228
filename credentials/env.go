package credentials

import (
	"context"
	"os"

	"github.com/tolokacheck/tolokacheck/internal/names"
)

// Env returns a [Provider] of the environment variable name, read at every call. A variable
// that is not set or is empty is [ErrNotFound]: container images declare variables as
// NAME="" for others to fill. An empty name is [ErrInvalid].
//
// Errors and Describe show name only if it looks like the name of a variable. A name that does not,
// such as the token itself, is [ErrInvalid] unless the variable is set.
func Env(name string) Provider { return env{name: name, lookup: os.LookupEnv} }

type lookupFunc func(name string) (value string, ok bool)

type env struct {
	name   string
	lookup lookupFunc
}

var (
	_ Provider  = env{}
	_ Describer = env{}
)

func (e env) Token(ctx context.Context) (Token, error) {
	if err := contextError(ctx, e.Describe()); err != nil {
		return Token{}, err
	}
	if e.name == "" {
		return Token{}, &sourceError{
			source:  e.Describe(),
			problem: "name of the variable is empty: give one such as " + tokenVariable,
			kind:    ErrInvalid,
		}
	}
	value, err := variable(e.lookup, e.name)
	if err != nil {
		return Token{}, err
	}
	token, problem := parse(value)
	if problem != "" {
		return Token{}, &sourceError{source: e.Describe(), problem: problem, kind: ErrInvalid}
	}
	return token, nil
}

func (e env) Describe() string {
	if e.name == "" {
		return "env:"
	}
	return "env:" + names.Variable(e.name).Text
}

// variable returns the value of the variable name. Without one the error wraps ErrNotFound, or
// ErrInvalid if name does not look like the name of a variable.
func variable(lookup lookupFunc, name string) (string, error) {
	value, ok := lookup(name)
	if value != "" {
		return value, nil
	}
	shown := names.Variable(name)
	e := &sourceError{source: "env:" + shown.Text, problem: "not set", kind: ErrNotFound}
	switch {
	case shown.Problem != "":
		e.problem = "the name of a variable belongs here, but this " + shown.Problem +
			": give a name such as " + tokenVariable + ", not the token"
		e.kind = ErrInvalid
	case ok:
		e.problem = "empty"
	}
	return "", e
}
