package requester

import (
	"net/url"
	"strings"
	"unicode"
)

const (
	redacted = "[redacted]"
	// minRedacted keeps a short token, which only a test has, from replacing parts of words.
	minRedacted = 8
	// maxShown bounds a displayed string, in characters.
	maxShown = 200
	// maxIdentifier is well above the length of the platform's codes and request ids.
	maxIdentifier = 64
	// maxID is well above the length of the platform's account ids, 32.
	maxID = 128
)

// redactor replaces the value of a token in text from outside. It is a func, so that no printer
// can reach the value.
type redactor func(string) string

// redactorFor replaces value in the forms in which net/http and common servers write it.
func redactorFor(value string) redactor {
	if len(value) < minRedacted {
		return noRedactor
	}
	return strings.NewReplacer(
		value, redacted,
		url.QueryEscape(value), redacted,
		url.PathEscape(value), redacted,
	).Replace
}

func noRedactor(s string) string { return s }

// clean makes s safe to display in a log line or a terminal: one line of visible characters,
// without the token, and of at most 200 characters. Every string from outside that is displayed
// passes through it.
func (r redactor) clean(s string) string {
	// Redact after visible: characters that it removes could hide a token. Redact before the
	// cut: half a token would not be found.
	text := []rune(r(visible(s)))
	if len(text) > maxShown {
		text = append(text[:maxShown-1], '…')
	}
	return string(text)
}

// visible removes what is invisible, and replaces control characters and those that change the
// direction of text by U+FFFD.
func visible(s string) string {
	var b strings.Builder
	var last, joiner rune
	for _, c := range s {
		switch {
		case c == '\u200c' || c == '\u200d':
			joiner = c
			continue
		case unicode.IsControl(c), unicode.Is(unicode.Bidi_Control, c),
			c == '\u2028', c == '\u2029':
			c = unicode.ReplacementChar
		case isInvisible(c):
			continue
		case unicode.IsSpace(c):
			c = ' '
		}
		// A joiner changes what is visible only between characters of some scripts and emoji.
		if joiner != 0 && last > unicode.MaxASCII && c > unicode.MaxASCII {
			b.WriteRune(joiner)
		}
		joiner, last = 0, c
		b.WriteRune(c)
	}
	return strings.TrimSpace(b.String())
}

// isInvisible reports whether c is a character without a glyph, such as U+200B, U+FEFF, U+00AD
// or a tag (U+E0000 and up). The selectors of text and emoji style are kept: they change what
// is in front of them.
func isInvisible(c rune) bool {
	if c == '\ufe0e' || c == '\ufe0f' || unicode.Is(unicode.Prepended_Concatenation_Mark, c) {
		return false
	}
	return unicode.In(c, unicode.Cf, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point)
}

// isID reports whether s can be the id of an account or a company. An id is compared and sent
// in a header, so it is used as it is or not at all.
func isID(s string) bool {
	return s != "" && len(s) <= maxID && !strings.ContainsFunc(s, notPrintableASCII)
}

// notPrintableASCII reports whether c is white space, a control character or not ASCII.
func notPrintableASCII(c rune) bool { return c <= ' ' || c > '~' }

// identifier returns s if it can only be a constant or an id, else "".
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
