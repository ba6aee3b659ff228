//go:build !race

package callers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// The race detector drops what a sync.Pool holds at random, so that a key allocates.
func TestKeyAllocations(t *testing.T) {
	k := newKeyer()
	h := header{credentials.SchemeAPIKey, strings.Repeat("a", 63)}
	assert.Zero(t, testing.AllocsPerRun(100, func() { k.key(h) }))
}
