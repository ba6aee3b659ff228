package requester

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

const (
	redacted = "[redacted]"
	// minRedacted keeps a token of a few characters, which only a test has, from turning
	// every word that contains them into "[redacted]".
	minRedacted = 8
	// maxIdentifier is far over what the platform's codes and request ids have.
	maxIdentifier = 64
)

// redactor replaces the value of a token in what came from outside. A func, so that nothing
// prints the value from it.
type redactor func(string) string

// redactorFor knows the forms in which net/http and common servers write a value down.
func redactorFor(value string) redactor {
	if len(value) < minRedacted {
		return func(s string) string { return s }
	}
	quoted := strconv.Quote(value)
	r := strings.NewReplacer(
		value, redacted,
		quoted[1:len(quoted)-1], redacted,
		url.QueryEscape(value), redacted,
		url.PathEscape(value), redacted,
	)
	return r.Replace
}

// clean makes s fit for a log line and a terminal: without the token, control characters
// and those that turn the direction of what follows.
func (r redactor) clean(s string) string { return printable(r(s)) }

func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) || c == '\u2028' || c == '\u2029' {
			return unicode.ReplacementChar
		}
		return c
	}, s)
}

// identifier returns s if it can be nothing but a constant or an id, else "".
func (r redactor) identifier(s string) string {
	if len(s) > maxIdentifier || r(s) != s {
		return ""
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '_', c == '-', c == '.':
		default:
			return ""
		}
	}
	return s
}
