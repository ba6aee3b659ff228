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

// source is a provider that meets the contract but for its flaw.
type source struct {
	flaw string

	mu      sync.Mutex
	value   string
	down    bool
	last    credentials.Token
	polled  credentials.Token
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
	if s.has("reads before it checks the context") {
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
	if err == nil {
		if s.has("caches") && !s.last.IsZero() {
			return s.last, nil
		}
		if s.has("drops the scheme") {
			token = token.WithScheme("")
		}
		if s.has("mixes up tokens under load") && s.callers.Add(1) > 20 {
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
	case s.down && s.has("gives a token with an error"):
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
	if err != nil && s.has("has another kind for a bad value") {
		return credentials.Token{}, errDown
	}
	return token, err
}

func (s *source) Poll(ctx context.Context, have []credentials.Token) (bool, error) {
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
	changed := len(have) != 1 || !token.Equal(have[0])
	if s.has("reports a change once") {
		changed = !token.Equal(s.polled)
		s.polled = token
	}
	if s.has("compares with its own last read") {
		changed = !token.Equal(s.last)
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

func opener(flaw string) func(testing.TB, string) Driver {
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
					if !s.has("never recovers") {
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
	t.Run("passes a correct provider", func(t *testing.T) { Run(t, opener("")) })

	t.Run("leaves out checks that need a nil func", func(t *testing.T) {
		static := func(_ testing.TB, value string) Driver { return Driver{Provider: credentials.Static(value)} }
		Run(t, static)
		var names []string
		for _, c := range checks {
			if c.applies(static(t, first)) {
				names = append(names, c.name)
			}
		}
		assert.Equal(t, []string{
			"token is delivered at every call",
			"white space around the value is removed",
			"scheme before the value is kept",
			"invalid value is ErrInvalid",
			"ended context gives its own error",
			"concurrent callers",
			"description is a short line without a secret",
		}, names)
	})
}

func TestChecks(t *testing.T) {
	for flaw, want := range map[string][]string{
		"":                                   nil,
		"ignores the context":                {"ended context gives its own error"},
		"reads before it checks the context": {"ended context gives its own error"},
		"hides the context's error":          {"ended context gives its own error"},
		"calls an ended context not found":   {"ended context gives its own error"},
		"gives a token to an ended context":  {"ended context gives its own error"},
		"caches": {
			"changed token is delivered at the next call", "removed token is delivered again when it " +
				"returns",
			"repaired source delivers again", "poll compares with the tokens of its caller",
		},
		"drops the scheme":           {"scheme before the value is kept"},
		"mixes up tokens under load": {"concurrent callers", "concurrent callers and changes"},
		"calls a broken source not found": {
			"broken source is an error other than ErrNotFound",
		},
		"hides a broken source": {
			"broken source is an error other than ErrNotFound", "repaired source delivers again",
		},
		"gives a token with an error": {"repaired source delivers again"},
		"calls a missing token invalid": {"missing token is ErrNotFound",
			"token that is added later is delivered", "removed token is delivered again when it returns"},
		"calls a missing token both": {"missing token is ErrNotFound",
			"token that is added later is delivered", "removed token is delivered again when it returns"},
		"stays broken after a missing token": {"missing token is ErrNotFound"},
		"never recovers":                     {"repaired source delivers again"},
		"shows a bad value":                  {"invalid value is ErrInvalid"},
		"has another kind for a bad value":   {"invalid value is ErrInvalid"},
		"polls for an ended context":         {"poll with an ended context gives its own error"},
		"polls never changed":                {"poll compares with the tokens of its caller"},
		"polls always changed":               {"poll compares with the tokens of its caller"},
		"compares with its own last read":    {"poll compares with the tokens of its caller"},
		"reports a change once":              {"poll compares with the tokens of its caller"},
		"cannot be polled":                   {"poll compares with the tokens of its caller"},
		"has no tokens": {"poll compares with the tokens of its caller",
			"several tokens start with the one of Token"},
		"fails to give several": {"poll compares with the tokens of its caller",
			"several tokens start with the one of Token"},
		"gives one twice": {"poll compares with the tokens of its caller",
			"several tokens start with the one of Token"},
		"gives another first": {"poll compares with the tokens of its caller",
			"several tokens start with the one of Token"},
		"describes nothing":      {"description is a short line without a secret"},
		"describes in two lines": {"description is a short line without a secret"},
		"describes its token":    {"description is a short line without a secret"},
		"prints its token":       {"description is a short line without a secret"},
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

// failed runs f as a separate test and reports whether it failed.
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
		t.Error("check hangs")
	}
	return r.red.Load()
}

// result is a test that only records its failure.
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
