package credentials_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// apiKey has the shape of the platform's keys: two dots, the first at byte index 22.
const apiKey = "AQVNabcdefghijklmnopqr.stu.vwxyz0123456789"

func TestParseToken(t *testing.T) {
	longest := strings.Repeat("x", credentials.MaxTokenLen)
	accepted := []struct {
		name, written, value string
		scheme               credentials.Scheme
	}{
		{"a plain value", apiKey, apiKey, ""},
		{"a value of one character", "x", "x", ""},
		{"the longest value", longest, longest, ""},
		{"the longest value, beside its scheme", "ApiKey " + longest, longest, credentials.SchemeAPIKey},
		{"a trailing newline", apiKey + "\n", apiKey, ""},
		{"Windows line ends", "\r\n" + apiKey + "\r\n\r\n", apiKey, ""},
		{"a byte order mark", "\ufeff" + apiKey + "\r\n", apiKey, ""},
		{"white space around a byte order mark", " \ufeff\t" + apiKey, apiKey, ""},
		{"a no-break space from a web page", "\u00a0" + apiKey + "\u00a0", apiKey, ""},
		{"an ApiKey prefix", "ApiKey " + apiKey, apiKey, credentials.SchemeAPIKey},
		{"an OAuth prefix", "OAuth AQAA", "AQAA", credentials.SchemeOAuth},
		{"a prefix in another case", "oAUTH AQAA", "AQAA", credentials.SchemeOAuth},
		{"a prefix and several spaces", " apikey \t  AQAA ", "AQAA", credentials.SchemeAPIKey},
		{"a value that only begins like a scheme", "OAuthAQAA", "OAuthAQAA", ""},
	}
	for _, tt := range accepted {
		t.Run(tt.name+" is accepted", func(t *testing.T) {
			token, err := credentials.ParseToken(tt.written)
			require.NoError(t, err)
			assert.True(t, tt.value == token.Reveal(), "the value")
			assert.Equal(t, tt.scheme, token.Scheme())
			assert.False(t, token.IsZero())
		})
	}

	refused := []struct{ name, written, message string }{
		{"nothing", "", "credentials: token is empty"},
		{"white space only", " \t\r\n", "credentials: token is empty"},
		{"a byte order mark only", "\ufeff\n", "credentials: token is empty"},
		{"a scheme only", "ApiKey ", "credentials: token is missing after its scheme"},
		{"two schemes and no value", "ApiKey OAuth", "credentials: token is missing after its scheme"},
		{"a byte too many", longest + "x", "credentials: token is longer than 4096 bytes"},
		{"a space inside", "AQVN abcd", "credentials: token has white space inside, at byte 5: only ApiKey or OAuth may stand before a space"},
		{"a tab inside", "AQVN\tabcd", "credentials: token has white space inside, at byte 5: only ApiKey or OAuth may stand before a space"},
		{"another scheme", "Bearer abcd", "credentials: token has white space inside, at byte 7: only ApiKey or OAuth may stand before a space"},
		{"a scheme twice", "ApiKey ApiKey abcd", "credentials: token has white space inside, at byte 7: only ApiKey or OAuth may stand before a space"},
		{"two lines", "AQVN\nabcd", "credentials: token has a line break inside, at byte 5: it must be a single line"},
		{"two Windows lines", "AQVN\r\nabcd", "credentials: token has a line break inside, at byte 5: it must be a single line"},
		{"a NUL", "AQVN\x00", "credentials: token has a control character, at byte 5"},
		{"a DEL", "\x7fAQVN", "credentials: token has a control character, at byte 1"},
		{"a letter outside ASCII", "AQVÑ", "credentials: token has a character outside ASCII, at byte 4"},
		{"a zero-width space", "AQVN\u200b", "credentials: token has a character outside ASCII, at byte 5"},
		{"a byte that is no text", "AQVN\xff", "credentials: token has a character outside ASCII, at byte 5"},
		{"UTF-16 of Windows", "\xff\xfeA\x00Q\x00", "credentials: token is written in UTF-16: write it in UTF-8 or ASCII"},
		{"UTF-16 in network order", "\xfe\xff\x00A\x00Q", "credentials: token is written in UTF-16: write it in UTF-8 or ASCII"},
	}
	for _, tt := range refused {
		t.Run(tt.name+" is refused", func(t *testing.T) {
			token, err := credentials.ParseToken(tt.written)
			require.EqualError(t, err, tt.message)
			require.ErrorIs(t, err, credentials.ErrInvalid)
			require.NotErrorIs(t, err, credentials.ErrNotFound)
			assert.True(t, token.IsZero())
		})
	}
}

func TestToken(t *testing.T) {
	t.Run("the zero token is no token and says so everywhere", func(t *testing.T) {
		var zero credentials.Token
		assert.True(t, zero.IsZero())
		assert.Empty(t, zero.Reveal())
		assert.Empty(t, zero.Scheme())
		assert.Equal(t, "none", zero.Fingerprint())
		assert.Equal(t, "credentials.Token(none)", zero.String())
		assert.False(t, zero.LooksLikeAPIKey())
		assert.True(t, zero.WithScheme(credentials.SchemeOAuth).IsZero())
		assert.True(t, zero.Equal(credentials.Token{}))
		assert.False(t, zero.Equal(parse(t, "x")))
		assert.False(t, parse(t, "x").Equal(zero))
	})

	t.Run("WithScheme makes another token and leaves the first alone", func(t *testing.T) {
		plain := parse(t, apiKey)
		oauth := plain.WithScheme(credentials.SchemeOAuth)
		assert.Equal(t, credentials.SchemeOAuth, oauth.Scheme())
		assert.True(t, oauth.Reveal() == apiKey)
		assert.Empty(t, plain.Scheme())
		assert.True(t, oauth.WithScheme("").Equal(plain))
	})

	t.Run("tokens are equal when value and stated scheme are", func(t *testing.T) {
		token := parse(t, "OAuth "+apiKey)
		assert.True(t, token.Equal(token))
		assert.True(t, token.Equal(parse(t, "oauth "+apiKey+"\n")))
		assert.False(t, token.Equal(parse(t, apiKey)))
		assert.False(t, token.Equal(parse(t, "ApiKey "+apiKey)))
		assert.False(t, token.Equal(parse(t, "OAuth "+apiKey+"x")))
		assert.False(t, token.Equal(parse(t, "OAuth x"+apiKey[1:])))
	})
}

func TestFingerprint(t *testing.T) {
	// The digits are those of `printf %s VALUE | sha256sum`.
	for _, tt := range []struct{ name, written, want string }{
		{"twenty characters show the first four", "0123456789abcdefghij", "0123…#6bc14bdc"},
		{"nineteen characters show none", "0123456789abcdefghi", "…#d9c76b75"},
		{"a scheme changes nothing", "OAuth 0123456789abcdefghij", "0123…#6bc14bdc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, parse(t, tt.written).Fingerprint())
		})
	}
}

func TestLooksLikeAPIKey(t *testing.T) {
	at := func(first int) string { return strings.Repeat("x", first) + ".yyy.zzz" }
	for _, tt := range []struct {
		name, value string
		want        bool
	}{
		{"the first dot at 21", at(21), false},
		{"the first dot at 22", at(22), true},
		{"the first dot at 23", at(23), true},
		{"the first dot at 24", at(24), true},
		{"the first dot at 25", at(25), false},
		{"one dot", strings.Repeat("x", 22) + ".yyy", false},
		{"three dots", at(22) + ".", false},
		{"no dot", strings.Repeat("x", 40), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, parse(t, tt.value).LooksLikeAPIKey())
		})
	}
}

func parse(tb testing.TB, written string) credentials.Token {
	tb.Helper()
	token, err := credentials.ParseToken(written)
	require.NoError(tb, err)
	return token
}
