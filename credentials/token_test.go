package credentials_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// apiKey has the shape of the platform's keys: two dots, the first at byte index 22.
const apiKey = "AQVNabcdefghijklmnopqr.stu.vwxyz0123456789"

func TestToken(t *testing.T) {
	t.Run("zero value", func(t *testing.T) {
		var zero credentials.Token
		assert.True(t, zero.IsZero())
		assert.Empty(t, zero.Reveal())
		assert.Empty(t, zero.Scheme())
		assert.Equal(t, "none", zero.Fingerprint())
		assert.Equal(t, "credentials.Token(none)", zero.String())
		assert.True(t, zero.WithScheme(credentials.SchemeOAuth).IsZero())
		assert.True(t, zero.Equal(credentials.Token{}))
		assert.False(t, zero.Equal(parse(t, "x")))
		assert.False(t, parse(t, "x").Equal(zero))
	})

	t.Run("WithScheme returns another token", func(t *testing.T) {
		plain := parse(t, apiKey)
		oauth := plain.WithScheme(credentials.SchemeOAuth)
		assert.Equal(t, credentials.SchemeOAuth, oauth.Scheme())
		assert.True(t, oauth.Reveal() == apiKey)
		assert.Empty(t, plain.Scheme())
		assert.True(t, oauth.WithScheme("").Equal(plain))
	})

	t.Run("Equal compares value and scheme", func(t *testing.T) {
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
		{"twenty characters", "0123456789abcdefghij", "0123…#6bc14bdc"},
		{"nineteen characters", "0123456789abcdefghi", "hidden"},
		{"scheme", "OAuth 0123456789abcdefghij", "0123…#6bc14bdc"},
		{"nineteen characters and a scheme", "OAuth 0123456789abcdefghi", "hidden"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, parse(t, tt.written).Fingerprint())
		})
	}
}

func parse(tb testing.TB, written string) credentials.Token {
	tb.Helper()
	token, err := credentials.ParseToken(written)
	require.NoError(tb, err)
	return token
}
