package credentials

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// Scheme is the HTTP authorization scheme that a token is sent under. The zero value means that
// the token does not state one; the sender then uses its default.
type Scheme string

// The schemes of the platform. The Integrations page gives every generated token with
// ApiKey; OAuth is for legacy tokens, which work until they expire.
const (
	SchemeAPIKey Scheme = "ApiKey"
	SchemeOAuth  Scheme = "OAuth"
)

// minFingerprint is the length from which a token has a fingerprint. The value of a shorter one
// could be found by trying out what matches the hash.
const minFingerprint = 20

// Token is an API token that cannot be printed by accident: no formatting verb, reflection-based
// printer, encoder or log handler can read its value. They show the [Token.Fingerprint] at
// most. [Token.Reveal] is the only way to the value.
//
// The zero value is no token. Tokens are immutable and safe for concurrent use. They cannot be
// compared with ==; use [Token.Equal].
type Token struct {
	// A func is the one kind of field that no printer looks into: reflection reaches a
	// string in an unexported field, and some printers follow pointers.
	open func() secret
	// A struct of one pointer-shaped field is stored in an interface as that pointer, and
	// go-spew crashes on it. A second field prevents that.
	_ bool
}

type secret struct {
	value  string
	scheme Scheme
}

// Reveal returns the value without the scheme. Use it for the Authorization header only. It
// returns "" for the zero Token.
func (t Token) Reveal() string { return t.secret().value }

// Scheme returns the scheme that the token states: the one it was written with
// ("OAuth AQAA…") or was given by [Token.WithScheme]; otherwise "".
func (t Token) Scheme() Scheme { return t.secret().scheme }

// WithScheme returns the same token, stating s. An empty s makes it state none. The zero
// Token stays the zero Token.
func (t Token) WithScheme(s Scheme) Token {
	if t.IsZero() {
		return t
	}
	return newToken(t.Reveal(), s)
}

// IsZero reports whether t is the zero value, which is no token.
func (t Token) IsZero() bool { return t.open == nil }

// Equal reports whether both tokens have the same value and state the same scheme. The
// time it takes depends on the lengths only, not on where the values differ.
func (t Token) Equal(u Token) bool {
	a, b := t.secret(), u.secret()
	values := subtle.ConstantTimeCompare([]byte(a.value), []byte(b.value)) == 1
	return values && a.scheme == b.scheme && t.IsZero() == u.IsZero()
}

// Fingerprint identifies the token where its value must not appear, such as in a log line.
// "AQVN…#9f86d081" is the first four characters, by which the account's Integrations page
// lists it, and the first eight hexadecimal digits of the SHA-256 of the value. The fingerprint
// of a token of fewer than 20 characters is "hidden", that of the zero Token is "none".
func (t Token) Fingerprint() string {
	value := t.Reveal()
	switch {
	case t.IsZero():
		return "none"
	case len(value) < minFingerprint:
		return "hidden"
	}
	sum := sha256.Sum256([]byte(value))
	return value[:4] + "…#" + hex.EncodeToString(sum[:4])
}

// String returns "credentials.Token(AQVN…#9f86d081)": the fingerprint, never the value.
func (t Token) String() string { return "credentials.Token(" + t.Fingerprint() + ")" }

// Format writes the same as [Token.String] for every verb and flag. Without it %x and %d
// would not use String.
func (t Token) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// LogValue returns the same as [Token.String], for log/slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns the same as [Token.String], for JSON, XML and YAML. A Token cannot be
// unmarshalled.
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
