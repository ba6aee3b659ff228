package requester_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func FuzzAuthorize(f *testing.F) {
	for _, seed := range []string{
		"AQVNyJ4kLQmrUcwzeR8sB2.k7Hn2c5PqXbW.Zo8iNw4xVt", "ApiKey abc", "OAuth y0_AgAAA", "oauth  x",
		"apikey\tx", "ApiKey", "OAuth OAuth", "Bearer abc",
		"a:b", "abc\r\nX-Evil: 1", "abc\x00", "\ufeffabc\r\n", "é", "a,b", `"quoted"`, strings.Repeat("x",
			4096),
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	byDefault := map[bool]credentials.Scheme{false: credentials.SchemeAPIKey, true: credentials.SchemeOAuth}
	clients := map[bool]*requester.Client{}
	for oauth, scheme := range byDefault {
		client, err := requester.New(requester.Production, requester.WithScheme(scheme))
		require.NoError(f, err)
		clients[oauth] = client
	}
	f.Fuzz(func(t *testing.T, value string, oauth bool) {
		token, err := credentials.ParseToken(value)
		if err != nil {
			return
		}
		h := http.Header{"Authorization": {"old"}}
		clients[oauth].Authorize(h, token)
		require.Len(t, h, 1)
		require.Len(t, h["Authorization"], 1, "one header, one value")
		sent := h.Get("Authorization")
		for _, c := range []byte(sent) {
			assert.True(t, c >= 0x20 && c < 0x7f, "a byte that ends or breaks the header line")
		}
		// The header is parsed as the same token.
		again, err := credentials.ParseToken(sent)
		require.NoError(t, err)
		assert.Equal(t, token.Reveal(), again.Reveal())
		want := token.Scheme()
		if want == "" {
			want = byDefault[oauth]
		}
		assert.Equal(t, want, again.Scheme())
	})
}
