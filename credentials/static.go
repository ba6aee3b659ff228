package credentials

import "context"

// Static returns a [Provider] of a value that the program already has, for tests and for
// secrets that come as a string. It never changes. If value is not a token, every call of
// Token returns the error of [ParseToken], which wraps [ErrInvalid].
func Static(value string) Provider {
	token, problem := parse(value)
	return static{token: token, problem: problem}
}

type static struct {
	token   Token
	problem string
}

var (
	_ Provider  = static{}
	_ Describer = static{}
)

func (s static) Token(ctx context.Context) (Token, error) {
	if err := contextError(ctx, s.Describe()); err != nil {
		return Token{}, err
	}
	if s.problem != "" {
		return Token{}, &sourceError{source: s.Describe(), problem: s.problem, kind: ErrInvalid}
	}
	return s.token, nil
}

func (static) Describe() string { return "static" }
