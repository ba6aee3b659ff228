package secrettext_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/internal/secrettext"
)

func TestTrim(t *testing.T) {
	for _, text := range []string{"a b", " a b", "a b\r\n", "\ufeffa b", "\ufeff a b\n", " \ufeffa b",
		"\u2003a b\u00a0"} {
		assert.Equal(t, "a b", secrettext.Trim(text), "%q", text)
	}
	assert.Empty(t, secrettext.Trim("\ufeff \r\n"))
}

func TestLooks(t *testing.T) {
	for _, secret := range []string{
		"AQVN0123456789abcdefgh.ijklmnop.qrs", "s.ABCDabcdABCDabcdABCDabcd", "hvb.AAAAAQJ5p3fWyGJbZmNr7t",
		"9f86d081884c7d65",
		"eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "b5f2-c7a1-d9e3-f4a6",
	} {
		assert.True(t, secrettext.Looks(secret), secret)
	}
	for _, name := range []string{
		"", "toloka-token-production-v2", "TOLOKA_TOKEN_FILE_OF_THE_SERVICE",
		"TestFilePermissionsOfKubernetes3928374982",
		"20240501120000123456789", "kubernetes.io~secret", "9f86d081", "secret123",
	} {
		assert.False(t, secrettext.Looks(name), name)
	}
}

func TestAPIKey(t *testing.T) {
	at := func(first int) string { return strings.Repeat("x", first) + ".yyy.zzz" }
	for _, tt := range []struct {
		name, value string
		want        bool
	}{
		{"first dot at 21", at(21), false},
		{"first dot at 22", at(22), true},
		{"first dot at 23", at(23), true},
		{"first dot at 24", at(24), true},
		{"first dot at 25", at(25), false},
		{"one dot", strings.Repeat("x", 22) + ".yyy", false},
		{"three dots", at(22) + ".", false},
		{"no dot", strings.Repeat("x", 40), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, secrettext.APIKey(tt.value))
		})
	}
}
