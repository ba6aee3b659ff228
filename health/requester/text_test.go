package requester_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// checkDisplayable fails for text that must not appear in a log line.
func checkDisplayable(t *testing.T, token, s string) {
	t.Helper()
	switch {
	case !utf8.ValidString(s):
		t.Fatalf("%q is not UTF-8", s)
	case utf8.RuneCountInString(s) > 200:
		t.Fatalf("%d characters", utf8.RuneCountInString(s))
	case strings.Contains(s, token):
		t.Fatalf("%q shows the token", s)
	case strings.TrimSpace(s) != s:
		t.Fatalf("%q has spaces around it", s)
	}
	for _, c := range s {
		joiner := c == '\u200c' || c == '\u200d'
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) || unicode.IsSpace(c) && c != ' ' ||
			unicode.Is(unicode.Cf, c) && !joiner && !unicode.Is(unicode.Prepended_Concatenation_Mark, c) {
			t.Fatalf("%q has %U", s, c)
		}
	}
}

func TestClean_token(t *testing.T) {
	const token = "token-1234"
	tests := []struct{ name, s, want string }{
		{"whole", "a token-1234 b", "a [redacted] b"},
		{"with an invisible character", "tok\u200ben-1234", "[redacted]"},
		{"with a tag", "token-\U000e00411234", "[redacted]"},
		{"with a joiner", "token\u200d-1234", "[redacted]"},
		{"cut by the bound", strings.Repeat("x", 195) + token, strings.Repeat("x", 195) + "[red…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, requester.Clean(token, tt.s))
		})
	}
}

func TestIdentifier(t *testing.T) {
	digits := strings.Repeat("0123456789", 7)
	tests := []struct{ name, s, want string }{
		{"code", "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR"},
		{"UUID", "8b0f1b6c-3c1e-4f3a-9d3e-0a1b2c3d4e5f", "8b0f1b6c-3c1e-4f3a-9d3e-0a1b2c3d4e5f"},
		{"dots and digits", "1.2.3", "1.2.3"},
		{"64 characters", digits[:64], digits[:64]},
		{"65 characters", digits[:65], ""},
		{"space", "NOT FOUND", ""},
		{"line break", "X\nlevel=ERROR", ""},
		{"letter outside ASCII", "FEHLER_Ä", ""},
		{"markup", "<b>", ""},
		{"token", "token-123", ""},
		{"token inside", "X_token-123_Y", ""},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, requester.Identifier("token-123", tt.s))
		})
	}
}
