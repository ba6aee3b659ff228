package sharedtest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// Driver is a store under test.
type Driver struct {
	// Store is the store. It is empty.
	Store shared.Store

	// Clear removes everything that is stored, as if the server was restarted without a disk.
	Clear func()

	// Sleep makes the given time pass for the store, for a server whose clock can be set. Run
	// then includes the checks that take hours. Nil means time.Sleep.
	Sleep func(time.Duration)
}

// Run tests the stores that open creates: each call creates another one, or an empty one, and
// registers its cleanup with t. Each check is a subtest with a store of its own. With
// the real clock Run takes some seconds, and skips the checks that take minutes or hours.
func Run(t *testing.T, open func(t *testing.T) Driver) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			if c.long && d.Sleep == nil {
				t.Skip("takes hours with the real clock")
			}
			c.run(newFleet(t, d))
		})
	}
}

// RunBubble is Run in testing/synctest bubbles, with all checks. It is for stores that measure time
// with package time, and that block on nothing outside the bubble.
func RunBubble(t *testing.T, open func(t *testing.T) Driver) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(newFleet(t, open(t))) })
		})
	}
}
