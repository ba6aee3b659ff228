package credentials

import (
	"fmt"
	"strings"

	"github.com/tolokacheck/tolokacheck/internal/secrettext"
)

// maxTokenLen is the length of the longest value that is accepted, in bytes, without its scheme.
// The platform's tokens have fewer than a hundred; the bound keeps a file of something else
// out of a request header.
const maxTokenLen = 4 << 10

const problemEmpty = "token is empty"

// ParseToken returns the [Token] that s holds. It removes a byte order mark and the white space
// around the value, line ends included. A prefix "ApiKey " or "OAuth ", in any case, becomes the
// token's [Scheme].
//
// The value must be a token68 as RFC 9110, section 11.2, defines it, of at most 4096 bytes:
// letters, digits and -._~+/ and then any number of =. Otherwise the error wraps [ErrInvalid].
// It names what is around the value, such as quotes, JSON, NAME=value or ${NAME}, and says
// what to do, but never shows any part of s. A path and the resource name of a secret in Google
// Cloud are refused too, although they have only such characters.
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
		// PowerShell's > writes it. 'Outside ASCII' would not help to find the cause.
		return Token{}, "token is written in UTF-16: write it in UTF-8 or ASCII"
	}
	s = secrettext.Trim(s)
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

// check returns what is wrong with a value, or "".
func check(value string) (problem string) {
	if value == "" {
		return problemEmpty
	}
	if knownScheme(value) != "" {
		return "token is missing after its scheme"
	}
	problem = checkCharacters(value)
	if problem == "" {
		problem = find(lookalikes, value)
	} else if packaging := find(packagings, value); packaging != "" {
		problem = packaging
	}
	if problem == "" && len(value) > maxTokenLen {
		problem = fmt.Sprintf("token is longer than %d bytes", maxTokenLen)
	}
	return problem
}

// checkCharacters returns why value is not a token68, or "".
func checkCharacters(value string) (problem string) {
	body := strings.TrimRight(value, "=")
	if body == "" {
		return "token has only equals signs"
	}
	for i := range len(body) {
		switch c := body[i]; {
		case isTokenChar(c):
		case c == '\n' || c == '\r':
			return "token has several lines: keep only the line with the token"
		case c == ' ' || c == '\t' || c == '\v' || c == '\f':
			return fmt.Sprintf("token has white space inside, at byte %d: "+
				"only ApiKey or OAuth may stand before a space", i+1)
		case c < ' ' || c == 0x7f:
			return fmt.Sprintf("token has a control character, at byte %d", i+1)
		case c > 0x7f:
			return fmt.Sprintf(
				"token has a character outside ASCII, at byte %d: copy it again", i+1)
		case c == '=':
			return fmt.Sprintf("token has an equals sign inside, at byte %d: "+
				"keep only the token's value", i+1)
		default:
			return fmt.Sprintf("token has a character that no token has, at byte %d: "+
				"only letters, digits and -._~+/= are allowed", i+1)
		}
	}
	return ""
}

func isTokenChar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' ||
		strings.IndexByte("-._~+/", c) >= 0
}

// knownScheme returns the platform's spelling of the scheme that word names, or "". RFC 9110,
// section 11.1, makes schemes case-insensitive.
func knownScheme(word string) Scheme {
	for _, s := range []Scheme{SchemeAPIKey, SchemeOAuth} {
		if strings.EqualFold(word, string(s)) {
			return s
		}
	}
	return ""
}
