package credentialstest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// source is a provider that keeps the contract, unless one of its flaws is switched on.
type source struct {
	flaw string

	mu      sync.Mutex
	value   string
	down    bool
	last    credentials.Token
	failed  bool
	reads   int
	callers atomic.Int64
}

var errDown = errors.New("source is down")

func (s *source) has(flaw string) bool { return s.flaw == flaw }

func (s *source) Token(ctx context.Context) (credentials.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has("ignores the context") {
		ctx = context.Background()
	}
	if s.has("asks before it looks at the context") {
		s.reads++
	}
	if ctx.Err() != nil {
		switch {
		case s.has("hides the context's error"):
			return credentials.Token{}, errDown
		case s.has("calls an ended context not found"):
			return credentials.Token{}, fmt.Errorf("%w: %w", credentials.ErrNotFound, ctx.Err())
		case s.has("gives a token to an ended context"):
			return s.last, ctx.Err()
		}
		return credentials.Token{}, ctx.Err()
	}
	s.reads++
	token, err := s.read()
	s.failed = err != nil
	if err == nil {
		if s.has("caches") && !s.last.IsZero() {
			return s.last, nil
		}
		if s.has("drops the scheme") {
			token = token.WithScheme("")
		}
		if s.has("mixes tokens up under load") && s.callers.Add(1) > 20 {
			token = token.WithScheme("")
			token, _ = credentials.ParseToken(token.Reveal() + "x")
		}
		s.last = token
	}
	return token, err
}

func (s *source) read() (credentials.Token, error) {
	switch {
	case s.down && s.has("calls a broken source not found"):
		return credentials.Token{}, credentials.ErrNotFound
	case s.down && s.has("hides a broken source"):
		return s.last, nil
	case s.down && s.has("gives a token beside an error"):
		return s.last, errDown
	case s.down:
		return credentials.Token{}, errDown
	case s.value == "" && s.has("calls a missing token invalid"):
		return credentials.Token{}, credentials.ErrInvalid
	case s.value == "" && s.has("calls a missing token both"):
		return credentials.Token{}, errors.Join(credentials.ErrInvalid, credentials.ErrNotFound)
	case s.value == "" && s.has("stays broken after a missing token"):
		s.down = true
		return credentials.Token{}, credentials.ErrNotFound
	case s.value == "":
		return credentials.Token{}, credentials.ErrNotFound
	}
	token, err := credentials.ParseToken(s.value)
	if err != nil && s.has("shows a bad value") {
		return credentials.Token{}, fmt.Errorf("%w: %q", credentials.ErrInvalid, s.value)
	}
	if err != nil && s.has("calls a bad value something else") {
		return credentials.Token{}, errDown
	}
	return token, err
}

func (s *source) Poll(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil && !s.has("polls for an ended context") {
		return false, ctx.Err()
	}
	token, err := s.read()
	if err != nil {
		return false, err
	}
	switch {
	case s.has("polls never changed"):
		return false, nil
	case s.has("polls always changed"):
		return true, nil
	case s.has("cannot be polled"):
		return false, errDown
	}
	changed := s.failed || !token.Equal(s.last)
	if s.has("tells a change once") {
		s.last = token
	}
	return changed, nil
}

func (s *source) Tokens(ctx context.Context) ([]credentials.Token, error) {
	token, err := s.Token(ctx)
	switch {
	case s.has("has no tokens"):
		return nil, nil
	case s.has("fails to give several"):
		return []credentials.Token{token}, errDown
	case s.has("gives one twice"):
		return []credentials.Token{token, token}, err
	case s.has("gives another first"):
		other, _ := credentials.ParseToken("other")
		return []credentials.Token{other, token}, err
	}
	return []credentials.Token{token}, err
}

func (s *source) Describe() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.has("describes nothing"):
		return ""
	case s.has("describes in two lines"):
		return "a\nb"
	case s.has("describes its token"):
		return "source of " + s.value
	}
	return "source"
}

func (s *source) Format(f fmt.State, _ rune) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := "source"
	if s.has("prints its token") {
		text = s.value
	}
	fmt.Fprint(f, text)
}

func opener(flaw string) Open {
	return func(_ testing.TB, value string) Driver {
		s := &source{flaw: flaw, value: value}
		locked := func(f func()) {
			s.mu.Lock()
			defer s.mu.Unlock()
			f()
		}
		return Driver{
			Provider: s,
			Set: func(value string) {
				locked(func() {
					s.value = value
					if !s.has("never mends") {
						s.down = false
					}
				})
			},
			Remove: func() { locked(func() { s.value = "" }) },
			Break:  func() { locked(func() { s.down = true }) },
			Reads: func() (n int) {
				locked(func() { n = s.reads })
				return n
			},
		}
	}
}

func TestRun(t *testing.T) {
	t.Run("passes a provider that keeps the contract", func(t *testing.T) { Run(t, opener("")) })

	t.Run("leaves out what a driver cannot do", func(t *testing.T) {
		static := func(_ testing.TB, value string) Driver { return Driver{Provider: credentials.Static(value)} }
		Run(t, static)
		var names []string
		for _, c := range checks {
			if c.applies(static(t, first)) {
				names = append(names, c.name)
			}
		}
		assert.Equal(t, []string{
			"a token that is there is delivered at every call",
			"white space and line ends around the value are dropped",
			"a scheme before the value is kept",
			"a value that is no token is invalid",
			"a context that has ended gives its own error",
			"callers may come at the same time",
			"the description is short, of one line, and no secret",
		}, names)
	})
}

func TestChecks(t *testing.T) {
	for flaw, want := range map[string][]string{
		"":                                    nil,
		"ignores the context":                 {"a context that has ended gives its own error"},
		"asks before it looks at the context": {"a context that has ended gives its own error"},
		"hides the context's error":           {"a context that has ended gives its own error"},
		"calls an ended context not found":    {"a context that has ended gives its own error"},
		"gives a token to an ended context":   {"a context that has ended gives its own error"},
		"caches": {
			"a changed token is delivered at the next call", "a token that goes and comes back is delivered again",
			"a source that was mended delivers again", "a poll tells a change once it is there and until it is read",
		},
		"drops the scheme":           {"a scheme before the value is kept"},
		"mixes tokens up under load": {"callers may come at the same time", "callers may come while the token changes"},
		"calls a broken source not found": {
			"a broken source is an error and never a missing token",
		},
		"hides a broken source": {
			"a broken source is an error and never a missing token", "a source that was mended delivers again",
		},
		"gives a token beside an error":      {"a source that was mended delivers again"},
		"calls a missing token invalid":      {"a missing token is not found", "a token that comes later is found", "a token that goes and comes back is delivered again"},
		"calls a missing token both":         {"a missing token is not found", "a token that comes later is found", "a token that goes and comes back is delivered again"},
		"stays broken after a missing token": {"a missing token is not found"},
		"never mends":                        {"a source that was mended delivers again"},
		"shows a bad value":                  {"a value that is no token is invalid"},
		"calls a bad value something else":   {"a value that is no token is invalid"},
		"polls for an ended context":         {"a poll with a context that has ended gives its own error"},
		"polls never changed":                {"a poll tells a change once it is there and until it is read"},
		"polls always changed":               {"a poll tells a change once it is there and until it is read"},
		"tells a change once":                {"a poll tells a change once it is there and until it is read"},
		"cannot be polled":                   {"a poll tells a change once it is there and until it is read"},
		"has no tokens":                      {"several tokens begin with the one that Token gives"},
		"fails to give several":              {"several tokens begin with the one that Token gives"},
		"gives one twice":                    {"several tokens begin with the one that Token gives"},
		"gives another first":                {"several tokens begin with the one that Token gives"},
		"describes nothing":                  {"the description is short, of one line, and no secret"},
		"describes in two lines":             {"the description is short, of one line, and no secret"},
		"describes its token":                {"the description is short, of one line, and no secret"},
		"prints its token":                   {"the description is short, of one line, and no secret"},
	} {
		t.Run("a provider that "+flaw, func(t *testing.T) {
			var red []string
			for _, c := range checks {
				if failed(t, func(tb testing.TB) { c.run(tb, opener(flaw)(tb, c.holds())) }) {
					red = append(red, c.name)
				}
			}
			assert.Equal(t, want, red)
		})
	}
}

// failed runs f as a test of its own and reports whether it failed.
func failed(t *testing.T, f func(testing.TB)) bool {
	r := &result{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("a check hangs")
	}
	return r.red.Load()
}

// result is a test whose failure is only noted.
type result struct {
	testing.TB
	red atomic.Bool
}

func (r *result) Error(...any)          { r.red.Store(true) }
func (r *result) Errorf(string, ...any) { r.red.Store(true) }

func (r *result) Fatal(...any) {
	r.red.Store(true)
	runtime.Goexit() // as testing does
}

func (r *result) Fatalf(string, ...any) { r.Fatal() }
