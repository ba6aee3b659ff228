package process

import (
	"testing"
	"time"
)

const (
	// awaitPatience is how long anything may take before a test gives up on it. Nothing should come near.
	awaitPatience = 30 * time.Second
	// awaitPause is the time between two looks: short against what is waited for, and no load.
	awaitPause = 10 * time.Millisecond
)

// Await looks again and again until look returns nil. The error of the last look is what a test fails with that waits in
// vain for what.
func Await(tb testing.TB, what string, look func() error) {
	tb.Helper()
	deadline := time.After(awaitPatience)
	again := time.NewTicker(awaitPause)
	defer again.Stop()
	for {
		err := look()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			tb.Fatalf("waiting for %s, in vain for %s: %v", what, awaitPatience, err)
		}
	}
}
