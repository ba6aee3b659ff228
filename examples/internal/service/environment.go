package service

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

const (
	// maxShown is how many bytes of a bad value an error shows: enough to recognize it by.
	maxShown = 40
	// minSecret is the length from which on a token in another value is no coincidence.
	minSecret = 8
)

// HoldsToken reports whether a value that should be something else is an API token, by its shape or because TOLOKA_TOKEN
// holds the same: a mistake that must not end up in a log.
func HoldsToken(lookup func(name string) (value string, ok bool), value string) bool {
	variable, _ := lookup("TOLOKA_TOKEN")
	if token, err := credentials.ParseToken(variable); err == nil && len(token.Reveal()) >= minSecret && strings.Contains(value, token.Reveal()) {
		return true
	}
	token, err := credentials.ParseToken(value)
	return err == nil && token.LooksLikeAPIKey()
}

// environment reads variables and collects what is wrong with them, so that all of it is said at once.
type environment struct {
	lookup   func(string) (string, bool)
	problems []string
}

// text returns the value of a variable, "" where it is unset or empty. A token in the wrong place goes no further.
func (e *environment) text(name string) string {
	value, _ := e.lookup(name)
	if HoldsToken(e.lookup, value) {
		e.problems = append(e.problems, name+": holds an API token, which belongs into TOLOKA_TOKEN or a file that TOLOKA_TOKEN_FILE names")
		return ""
	}
	return value
}

// duration returns the value of a variable that holds a duration of more than zero, and whether it is set.
func (e *environment) duration(name string) (time.Duration, bool) {
	d, ok := e.anyDuration(name)
	if ok && d <= 0 {
		e.problem(name, d.String(), "must be more than zero")
	}
	return d, ok && d > 0
}

func (e *environment) drainDelay() time.Duration {
	const name = "DRAIN_DELAY"
	d, _ := e.anyDuration(name)
	if d < 0 {
		e.problem(name, d.String(), "must not be less than zero")
	}
	return d
}

func (e *environment) anyDuration(name string) (time.Duration, bool) {
	raw := e.text(name)
	if raw == "" {
		return 0, false
	}
	d, err := time.ParseDuration(raw)
	if err != nil {
		e.problem(name, raw, "not a duration; write it like 500ms, 30s or 15m")
		return 0, false
	}
	return d, true
}

func (e *environment) flag(name string) bool {
	raw := e.text(name)
	if raw == "" {
		return false
	}
	on, err := strconv.ParseBool(raw)
	if err != nil {
		e.problem(name, raw, "use 1 or 0")
	}
	return on
}

// baseURLProblem leaves the value out where there is more to it than a place: nobody can tell which part of what is not a
// good URL is a password.
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
