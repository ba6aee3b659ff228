package credentials

import (
	"context"
	"os"
)

// Env returns a [Provider] of the environment variable name, read at every call. A variable
// that is not set or empty gives [ErrNotFound]: container images declare variables as
// NAME="" for others to fill. An empty name gives [ErrInvalid].
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
		return Token{}, &sourceError{source: e.Describe(), problem: "name of the variable is empty", kind: ErrInvalid}
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

func (e env) Describe() string { return "env:" + e.name }

// variable returns the value of the variable name, or an error of kind ErrNotFound.
func variable(lookup lookupFunc, name string) (string, error) {
	switch value, ok := lookup(name); {
	case value != "":
		return value, nil
	case ok:
		return "", &sourceError{source: "env:" + name, problem: "empty", kind: ErrNotFound}
	default:
		return "", &sourceError{source: "env:" + name, problem: "not set", kind: ErrNotFound}
	}
}
