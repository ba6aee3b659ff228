package credentials

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// displayPath is path as errors and logs may show it, on one line. A token where a path should be
// is a common slip (TOLOKA_TOKEN_FILE=AQVN…), and must not end up there.
func displayPath(path string) string {
	switch token, misplaced := tokenIn(path); {
	case misplaced && token.IsZero():
		return "(…)"
	case misplaced:
		return "(" + token.Fingerprint() + ")"
	case !utf8.ValidString(path) || strings.ContainsFunc(path, needsQuotes):
		return strconv.Quote(path)
	}
	return path
}

// tokenIn reports whether somebody has written a token for a path, with whatever stands around it
// in the place that it was copied from. The token is zero when it cannot be told from the rest:
// a fingerprint of less than the whole of it would be a help to guess it.
func tokenIn(path string) (token Token, misplaced bool) {
	whole, problem := parse(strings.Trim(trim(path), "\"'`"))
	if problem == "" && (whole.Scheme() != "" || shapedLikeToken(whole.Reveal())) {
		return whole, true
	}
	words := strings.FieldsFunc(path, isSeparator)
	for _, word := range words {
		if shapedLikeToken(word) {
			return newToken(word, ""), true
		}
	}
	if len(words) > 0 && strings.EqualFold(words[0], "Authorization") {
		words = words[1:]
	}
	return Token{}, len(words) > 1 && knownScheme(words[0]) != ""
}

// shapedLikeToken reports whether word has the shape of a token and of hardly any file name.
func shapedLikeToken(word string) bool {
	if strings.ContainsAny(word, `/\`) {
		return false
	}
	return looksLikeAPIKey(word) || len(word) >= 32 && !strings.Contains(word, ".")
}

// isSeparator reports whether r stands between words: what no token has inside, and what env files,
// headers, JSON and shells put around one.
func isSeparator(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(",;:=|\"'`<>()[]{}", r)
}

// needsQuotes reports whether r could break a line of the log, or hide where the path ends.
func needsQuotes(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
