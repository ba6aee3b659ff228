package credentials

import (
	"fmt"
	"strings"
)

const (
	byteOrderMark = "\ufeff"
	problemEmpty  = "token is empty"
)

// ParseToken makes a [Token] of what a person or a program wrote down. A byte order mark
// and the white space around the value, line ends included, are dropped. A prefix "ApiKey "
// or "OAuth ", in any case as RFC 9110 asks (section 11.1), becomes the token's [Scheme].
//
// It refuses an empty value, one longer than [MaxTokenLen], and white space, control
// characters and characters outside ASCII within the value. The error wraps [ErrInvalid]
// and says what is wrong and at which byte, but never shows any part of s.
func ParseToken(s string) (Token, error) {
	t, problem := parse(s)
	if problem != "" {
		return Token{}, &sourceError{problem: problem, kind: ErrInvalid}
	}
	return t, nil
}

// parse returns either a token or what is wrong with s, in words that hold nothing of s.
func parse(s string) (t Token, problem string) {
	if strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff") {
		// What PowerShell's > writes; 'outside ASCII' would not lead anybody to it.
		return Token{}, "token is written in UTF-16: write it in UTF-8 or ASCII"
	}
	s = trim(s)
	var scheme Scheme
	if space := strings.IndexAny(s, " \t"); space > 0 {
		if scheme = knownScheme(s[:space]); scheme != "" {
			s = strings.TrimLeft(s[space:], " \t")
		}
	}
	if problem := check(s); problem != "" {
		return Token{}, problem
	}
	return newToken(s, scheme), ""
}

func trim(s string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), byteOrderMark))
}

func check(value string) (problem string) {
	switch {
	case value == "":
		return problemEmpty
	case len(value) > MaxTokenLen:
		return fmt.Sprintf("token is longer than %d bytes", MaxTokenLen)
	case knownScheme(value) != "":
		return "token is missing after its scheme"
	}
	for i := range len(value) {
		switch c := value[i]; {
		case c == '\n' || c == '\r':
			return fmt.Sprintf("token has a line break inside, at byte %d: it must be a single line", i+1)
		case c == ' ' || c == '\t' || c == '\v' || c == '\f':
			return fmt.Sprintf("token has white space inside, at byte %d: only ApiKey or OAuth may stand before a space", i+1)
		case c < ' ' || c == 0x7f:
			return fmt.Sprintf("token has a control character, at byte %d", i+1)
		case c > 0x7f:
			return fmt.Sprintf("token has a character outside ASCII, at byte %d", i+1)
		}
	}
	return ""
}

// knownScheme returns the platform's spelling of the scheme that word names, or "".
func knownScheme(word string) Scheme {
	for _, s := range []Scheme{SchemeAPIKey, SchemeOAuth} {
		if strings.EqualFold(word, string(s)) {
			return s
		}
	}
	return ""
}
