package process

import (
	"testing"
	"time"
)

const (
	// awaitPatience bounds every wait. Nothing should take nearly as long.
	awaitPatience = 30 * time.Second
	// awaitPause is the time between two calls of look.
	awaitPause = 10 * time.Millisecond
)

// Await calls look repeatedly until it returns nil. If it times out, the test fails with the last
// error of look.
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
			tb.Fatalf("timed out after %s waiting for %s: %v", awaitPatience, what, err)
		}
	}
}
