package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// stages are the memory of a checker before Start and between two checks.
type stages struct{ made, resting use }

// use is what one checker uses.
type use struct{ heap, stack, goroutines float64 }

func (u use) String() string {
	return fmt.Sprintf("heap %.1f KiB, stack %.1f KiB, goroutines %.0f",
		u.heap/1024, u.stack/1024, u.goroutines)
}

// memory creates and starts n checkers.
func memory(url string, n int) (stages, error) {
	var s stages
	checkers := make([]*health.Checker, n)
	before := now()
	for i := range checkers {
		var err error
		if checkers[i], err = newChecker(url); err != nil {
			return s, err
		}
		defer checkers[i].Close()
	}
	s.made = now().since(before, n)
	for _, c := range checkers {
		if err := c.Start(context.Background()); err != nil {
			return s, err
		}
	}
	// The goroutines of a connection end a moment after its response.
	deadline := time.Now().Add(5 * time.Second)
	for now().since(before, n).goroutines > 1 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	s.resting = now().since(before, n)
	runtime.KeepAlive(checkers)
	return s, nil
}

// total is what the program uses.
type total struct {
	heap, stack uint64
	goroutines  int
}

func now() total {
	// The second collection frees what the first one has finalized.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return total{m.HeapAlloc, m.StackInuse, runtime.NumGoroutine()}
}

func (t total) since(before total, n int) use {
	per := func(now, then uint64) float64 { return (float64(now) - float64(then)) / float64(n) }
	return use{
		heap:       per(t.heap, before.heap),
		stack:      per(t.stack, before.stack),
		goroutines: float64(t.goroutines-before.goroutines) / float64(n),
	}
}
