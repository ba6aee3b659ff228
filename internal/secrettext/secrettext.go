// Package secrettext holds what every reader of secrets must agree on: how a secret is trimmed,
// and which text looks like one.
package secrettext

import (
	"regexp"
	"strings"
	"unicode"
)

const (
	byteOrderMark = "\ufeff"

	// minLen is the length from which a word can be told from a name.
	minLen = 16
	// minUnbroken is the length from which a word without any separator is taken for a secret.
	minUnbroken = 32
)

var (
	uuid = regexp.MustCompile(`^[[:xdigit:]]{8}(?:-[[:xdigit:]]{4}){3}-[[:xdigit:]]{12}$`)
	// known are secrets with a prefix of their own: Vault's tokens and JWTs.
	known = regexp.MustCompile(
		`^(?:hv[sbr]\.[\w-]{20,}|[sbr]\.[[:alnum:]]{24,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*)$`)
)

// Trim removes what editors, shells and Windows put around a secret: white space, line ends
// and a byte order mark.
func Trim(s string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), byteOrderMark))
}

// APIKey reports whether value has the shape of the platform's API keys: exactly two dots, the
// first of them at byte index 22, 23 or 24.
func APIKey(value string) bool {
	first := strings.IndexByte(value, '.')
	return 22 <= first && first <= 24 && strings.Count(value, ".") == 2
}

// IsUUID reports whether word is a UUID: a secret as an AppRole's id, but often only the name of
// a directory.
func IsUUID(word string) bool { return uuid.MatchString(word) }

// Looks reports whether word looks like a secret and hardly like a name: it has the shape of a
// known kind of secret, or switches between letters, digits and cases as random text does. It
// errs towards true. A secret of fewer than 16 characters cannot be recognised, nor can one
// that is made of words.
func Looks(word string) bool {
	return known.MatchString(word) || APIKey(word) || random(word)
}

// LooksAlone reports whether word looks like a secret where it stands alone. Unlike [Looks] it
// takes a UUID and a long word without any separator for one.
func LooksAlone(word string) bool {
	return Looks(word) || IsUUID(word) || len(word) >= minUnbroken &&
		!strings.ContainsAny(word, `./\ `)
}

// random reports whether the characters of word switch class more often than those of a name.
// A lower-case letter after a capital is no switch, so a CamelCase name has one per word. Random
// text has 0.3 to 0.5 per character, names have less than 0.25.
func random(word string) bool {
	var length, switches int
	var last rune
	for _, r := range word {
		class := classOf(r)
		if class == 0 {
			continue
		}
		if length > 0 && class != last && !(last == 'A' && class == 'a') {
			switches++
		}
		last = class
		length++
	}
	return length >= minLen && 4*switches >= length-1
}

// classOf is 'A', 'a' or '0' for a capital, another letter and a digit, and 0 for the rest.
func classOf(r rune) rune {
	switch {
	case unicode.IsUpper(r):
		return 'A'
	case unicode.IsLetter(r):
		return 'a'
	case unicode.IsDigit(r):
		return '0'
	default:
		return 0
	}
}
