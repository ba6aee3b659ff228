package service

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/secrettext"
)

const (
	// maxShown is how many bytes of an invalid value an error shows.
	maxShown = 40
	// minSecret is the length from which a token that occurs inside another value is no
	// coincidence.
	minSecret = 8
)

// HoldsToken reports whether a value that should be something else is an API token: it has the
// shape of one, or contains the value of TOLOKA_TOKEN. Such a value must not be logged.
func HoldsToken(lookup func(name string) (value string, ok bool), value string) bool {
	variable, _ := lookup("TOLOKA_TOKEN")
	if token, err := credentials.ParseToken(variable); err == nil {
		secret := token.Reveal()
		if len(secret) >= minSecret && strings.Contains(value, secret) {
			return true
		}
	}
	token, err := credentials.ParseToken(value)
	return err == nil && secrettext.APIKey(token.Reveal())
}

// environment reads variables and collects their problems, so that one error reports all of them.
type environment struct {
	lookup   func(string) (string, bool)
	problems []string
}

// text returns the value of a variable, or "" if it is unset, empty or holds a token by mistake.
func (e *environment) text(name string) string {
	value, _ := e.lookup(name)
	if HoldsToken(e.lookup, value) {
		e.problems = append(e.problems, name+": holds an API token; "+
			"set it in TOLOKA_TOKEN, or in a file that TOLOKA_TOKEN_FILE names")
		return ""
	}
	return value
}

// duration returns the value of a variable that holds a duration, and whether it is set.
func (e *environment) duration(name string) (d time.Duration, ok bool) {
	raw := e.text(name)
	if raw == "" {
		return 0, false
	}
	d, err := time.ParseDuration(raw)
	switch {
	case err != nil:
		e.problem(name, raw, "not a duration; write it like 500ms, 30s or 15m")
		return 0, false
	case d < 0:
		e.problem(name, raw, "must not be negative")
		return 0, false
	}
	return d, true
}

// baseURLProblem shows the value only if it has no user information, query or fragment: in an
// invalid URL it is unclear which part is a password.
func (e *environment) baseURLProblem(err error) {
	const name = "TOLOKA_BASE_URL"
	if raw := e.text(name); !strings.ContainsAny(raw, "@?#") {
		e.problem(name, raw, err.Error())
		return
	}
	e.problems = append(e.problems, name+": "+err.Error())
}

func (e *environment) problem(name, value, what string) {
	if len(value) > maxShown {
		value = strings.ToValidUTF8(value[:maxShown], "") + "…"
	}
	if strconv.Quote(value) != `"`+value+`"` || strings.Contains(value, " ") {
		value = strconv.Quote(value)
	}
	e.problems = append(e.problems, fmt.Sprintf("%s=%s: %s", name, value, what))
}
