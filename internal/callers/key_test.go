package callers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A header that is accepted is a scheme, spaces and a token68, and nothing else.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		"ApiKey a", "oauth  a==", "ApiKey", "ApiKey ", "ApiKey\ta", "Bearer a", "ApiKey ApiKey a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, ok := parseHeader(s)
		if !ok {
			return
		}
		name, value, _ := strings.Cut(s, " ")
		token, err := h.token()
		if err != nil {
			if len(value) >= 20 { // longer than a word of the error's own text
				assert.NotContains(t, err.Error(), value)
			}
			return
		}
		assert.True(t, strings.EqualFold(name, string(token.Scheme())))
		assert.Equal(t, strings.TrimLeft(value, " "), token.Reveal())
		assert.NotContains(t, token.Reveal(), " ")
	})
}

func TestKey(t *testing.T) {
	k := newKeyer()
	seen := map[key]string{}
	for _, scheme := range []credentials.Scheme{credentials.SchemeAPIKey, credentials.SchemeOAuth} {
		// Around the size of the buffer, which has room for 157.
		for _, n := range []int{1, 2, 156, 157, 158, 192, 512, maxValue} {
			h := header{scheme, strings.Repeat("a", n)}
			sum := k.key(h)
			assert.Equal(t, sum, k.key(h))
			assert.NotContains(t, seen, sum)
			seen[sum] = h.value
			assert.NotEqual(t, sum, newKeyer().key(h), "another process")
		}
	}
}

func TestKey_allocations(t *testing.T) {
	k := newKeyer()
	h := header{credentials.SchemeAPIKey, strings.Repeat("a", 63)}
	assert.Zero(t, testing.AllocsPerRun(100, func() { k.key(h) }))
}
