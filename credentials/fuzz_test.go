package credentials_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// parseErrors are all the errors that ParseToken has, so that none can hold any part of a value.
var parseErrors = regexp.MustCompile(`^credentials: token (` +
	`is empty|is missing after its scheme|is longer than 4096 bytes|is written in UTF-16: write it in UTF-8 or ASCII` +
	`|has a line break inside, at byte \d+: it must be a single line` +
	`|has white space inside, at byte \d+: only ApiKey or OAuth may stand before a space` +
	`|has a control character, at byte \d+` +
	`|has a character outside ASCII, at byte \d+)$`)

func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{
		"", " ", "\n", "x", apiKey, apiKey + "\r\n", "\ufeff" + apiKey, "\xff\xfeA\x00", "\u00a0x\u2003",
		"ApiKey " + apiKey, "oauth\tAQAA", "OAuth", "ApiKey OAuth", "ApiKey ApiKey x", "Bearer x", "x y", "x\ny", "x\x00", "xé",
		strings.Repeat("x", credentials.MaxTokenLen+1),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		token, err := credentials.ParseToken(written)
		if err != nil {
			if !errors.Is(err, credentials.ErrInvalid) || !token.IsZero() || !parseErrors.MatchString(err.Error()) {
				t.Fatalf("%q: token %v, error %q", written, token, err)
			}
			return
		}
		value := token.Reveal()
		if value == "" || len(value) > credentials.MaxTokenLen || !strings.Contains(written, value) {
			t.Fatalf("%q: value %q", written, value)
		}
		for i := range len(value) {
			if value[i] <= ' ' || value[i] >= 0x7f {
				t.Fatalf("%q: value %q has byte %#x", written, value, value[i])
			}
		}
		for _, tt := range []struct {
			written string
			scheme  credentials.Scheme
		}{{value, ""}, {"\ufeff apikey  " + value + "\r\n", credentials.SchemeAPIKey}, {"OAUTH\t" + value, credentials.SchemeOAuth}} {
			again, err := credentials.ParseToken(tt.written)
			if err != nil || again.Reveal() != value || again.Scheme() != tt.scheme {
				t.Fatalf("%q: token %v, scheme %q, error %v", tt.written, again, again.Scheme(), err)
			}
		}
		// Shorter ones are in "credentials.Token(AQVN" by chance.
		if len(value) > 22 && strings.Contains(token.String(), value) {
			t.Fatalf("%q: String shows the value", written)
		}
	})
}
