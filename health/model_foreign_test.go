package health_test

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// modelManner is how the service's own code behaves that the checker calls.
type modelManner uint8

const (
	behaves   modelManner = iota
	dawdles               // takes 300 ms
	blocks                // until its manner changes
	blowsUp               // panics
	leaves                // runtime.Goexit
	callsBack             // calls the checker's methods
	modelManners
)

var modelMannerNames = [modelManners]string{
	"behaves", "dawdles", "blocks", "panics", "exits its goroutine", "calls back",
}

// modelForeign is a log handler or a callback.
type modelForeign struct {
	w *modelWorld

	mu      sync.Mutex
	manner  modelManner
	release chan struct{}
	calls   int
	last    *health.Snapshot // what the callback got last
}

func (f *modelForeign) init(w *modelWorld) { f.w, f.release = w, make(chan struct{}) }

func (f *modelForeign) set(m modelManner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.manner = m
	close(f.release)
	f.release = make(chan struct{})
}

func (f *modelForeign) act() {
	f.mu.Lock()
	f.calls++
	calls, manner, release := f.calls, f.manner, f.release
	f.mu.Unlock()
	switch manner {
	case dawdles:
		time.Sleep(300 * time.Millisecond)
	case blocks:
		<-release
	case blowsUp:
		panic("model: foreign code panics")
	case leaves:
		runtime.Goexit()
	case callsBack:
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Millisecond)
		defer cancel()
		checker := f.w.checker
		f.w.checkSnapshot(checker.Snapshot())
		_, _ = checker.Snapshot().Token()
		_ = checker.WaitVerified(ctx)
		if calls%8 == 1 { // each refresh may cause a change of its own
			f.w.noteRefresh()
			_ = checker.Refresh(ctx)
		}
	}
}

// changed is the checker's callback.
func (f *modelForeign) changed(before, after *health.Snapshot) {
	f.mu.Lock()
	last := f.last
	f.last = after
	f.mu.Unlock()
	if last != nil && last != before {
		f.w.complain("OnChange: old is not the new of the call before")
	}
	f.w.checkSnapshot(after)
	f.act()
}

// modelHandler is the log's handler.
type modelHandler struct{ f *modelForeign }

func (h modelHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h modelHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h modelHandler) WithGroup(string) slog.Handler            { return h }

func (h modelHandler) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	if strings.Contains(line, ".model.") {
		h.f.w.complain("the log shows a token: %s", line)
	}
	h.f.act()
	return nil
}
