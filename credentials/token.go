package credentials

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// MaxTokenLen is the length of the longest value that [ParseToken] accepts, in bytes,
// without its scheme. The platform's tokens have less than a hundred; the bound keeps a
// file of something else out of a request header.
const MaxTokenLen = 4 << 10

// Scheme is the HTTP authorization scheme that a token travels under. The zero value
// means that the token does not state one, and that who sends it decides.
type Scheme string

// The schemes of the platform. The Integrations page gives every generated token with
// ApiKey; OAuth is for legacy tokens, which work until they expire.
const (
	SchemeAPIKey Scheme = "ApiKey"
	SchemeOAuth  Scheme = "OAuth"
)

// Token is an API token that cannot be printed by accident: no formatting verb,
// debugger-style printer, encoder or log handler gets at its value. All of them show the
// [Token.Fingerprint] at most. [Token.Reveal] is the one way to the value.
//
// The zero value is no token. Tokens are immutable and safe for concurrent use. They do
// not compare with ==: use [Token.Equal].
type Token struct {
	// A func is the one kind of field that no printer looks into: reflection reaches a
	// string in an unexported field, and some follow pointers.
	open func() secret
}

type secret struct {
	value  string
	scheme Scheme
}

// Reveal returns the value, without the scheme: for the Authorization header, and for
// nothing else. It is "" for the zero Token.
func (t Token) Reveal() string { return t.secret().value }

// Scheme returns the scheme that the token states: the one it was written with
// ("OAuth AQAA…") or was given by [Token.WithScheme]; else "".
func (t Token) Scheme() Scheme { return t.secret().scheme }

// WithScheme returns the same token, stating s. An empty s makes it state none. The zero
// Token stays the zero Token.
func (t Token) WithScheme(s Scheme) Token {
	if t.IsZero() {
		return t
	}
	return newToken(t.Reveal(), s)
}

// IsZero reports whether t is no token at all.
func (t Token) IsZero() bool { return t.open == nil }

// Equal reports whether both tokens have the same value and state the same scheme. The
// time it takes depends on the lengths only, not on where the values differ.
func (t Token) Equal(u Token) bool {
	a, b := t.secret(), u.secret()
	values := subtle.ConstantTimeCompare([]byte(a.value), []byte(b.value)) == 1
	return values && a.scheme == b.scheme && t.IsZero() == u.IsZero()
}

// Fingerprint names the token where its value must not appear, such as in a log line:
// "AQVN…#9f86d081" is its first four characters, by which the account's Integrations page
// lists it, and the first eight hexadecimal digits of the SHA-256 of its value. A token of
// fewer than 20 characters shows the digits only ("…#9f86d081"); the zero Token is "none".
func (t Token) Fingerprint() string {
	if t.IsZero() {
		return "none"
	}
	value := t.Reveal()
	sum := sha256.Sum256([]byte(value))
	start := ""
	if len(value) >= 20 {
		start = value[:4]
	}
	return start + "…#" + hex.EncodeToString(sum[:4])
}

// LooksLikeAPIKey reports whether the value has the shape of the platform's API keys, by
// the rule that its public Python and Java clients share: exactly two dots, the first of
// them at byte index 22, 23 or 24. It is a hint for error messages: the Integrations page
// gives every generated token with the ApiKey scheme, whatever its shape.
func (t Token) LooksLikeAPIKey() bool { return looksLikeAPIKey(t.Reveal()) }

// String returns "credentials.Token(AQVN…#9f86d081)": the fingerprint, never the value.
func (t Token) String() string { return "credentials.Token(" + t.Fingerprint() + ")" }

// GoString returns what [Token.String] does: %#v must not show more than %v.
func (t Token) GoString() string { return t.String() }

// Format writes what [Token.String] returns, for every verb and flag: without it %x and %d
// would reach past String.
func (t Token) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// LogValue gives log/slog what [Token.String] returns.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns what [Token.String] does, and with it JSON, XML and YAML get no more
// than the fingerprint. There is no way back: a Token cannot be unmarshalled.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func (t Token) secret() secret {
	if t.open == nil {
		return secret{}
	}
	return t.open()
}

func newToken(value string, scheme Scheme) Token {
	s := secret{value: value, scheme: scheme}
	return Token{open: func() secret { return s }}
}

func looksLikeAPIKey(value string) bool {
	first := strings.IndexByte(value, '.')
	return 22 <= first && first <= 24 && strings.Count(value, ".") == 2
}
