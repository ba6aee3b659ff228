package callers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The lane is held when two tokens are rate limited at once, and one token's quota holds none.
func TestLane_limit(t *testing.T) {
	type answer struct{ token, at, wait int }
	for name, tt := range map[string]struct {
		answers []answer // 429
		held    int      // until this second
	}{
		"one token":                {[]answer{{1, 0, 30}}, 0},
		"one token, twice":         {[]answer{{1, 0, 30}, {1, 10, 30}}, 0}, // forgotten in between
		"two tokens":               {[]answer{{1, 0, 30}, {2, 10, 20}}, 30},
		"two tokens, one later":    {[]answer{{1, 0, 30}, {2, 30, 30}}, 0},
		"a short wait in between":  {[]answer{{1, 0, 300}, {2, 10, 1}, {3, 12, 30}}, 42},
		"a short wait at the end":  {[]answer{{1, 0, 300}, {2, 1, 300}, {3, 2, 1}}, 301},
		"two tokens, alternately":  {[]answer{{1, 0, 30}, {2, 10, 30}, {1, 35, 30}}, 65},
		"two tokens, long ago":     {[]answer{{1, 0, 30}, {2, 10, 30}, {1, 100, 30}}, 40},
		"the same token at a hold": {[]answer{{1, 0, 30}, {2, 10, 30}, {2, 20, 60}}, 40},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLane(nil, time.Second, 1)
			for _, a := range tt.answers {
				l.limit(key{byte(a.token)}, time.Duration(a.at)*time.Second, time.Duration(a.wait)*time.Second, false)
			}
			held := time.Duration(tt.held) * time.Second
			assert.Equal(t, held, l.heldUntil)
			if held > 0 {
				wait, err := l.forbidden(held-1, 0)
				assert.Equal(t, time.Duration(1), wait)
				assert.Equal(t, errHeld, err)
			}
			_, err := l.forbidden(held, 0)
			assert.NoError(t, err)
		})
	}
}
