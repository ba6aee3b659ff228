package health

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// lines writes log lines in order, apart from whatever logs them: a handler may block, as
// standard error does when its reader has stopped, or panic. Lines that do not fit are dropped
// and counted, and the next line says how many.
type lines struct {
	handler    slog.Handler
	dispatcher *dispatcher[line]
	dropped    atomic.Uint64 // since the last line that was written
	lost       atomic.Uint64 // in all
}

// line is one log line. Its attributes are made when it is written, because the text of an
// error may be foreign code.
type line struct {
	at    time.Time
	level slog.Level
	msg   string
	attrs func() []slog.Attr
}

func newLines(logger *slog.Logger) *lines {
	l := &lines{handler: logger.Handler()}
	l.dispatcher = &dispatcher[line]{
		deliver: l.write,
		overflow: func(queue []line, _ line) []line {
			l.drop()
			return queue
		},
		lost: func(any) { l.drop() },
	}
	return l
}

func (l *lines) add(level slog.Level, msg string, attrs func() []slog.Attr) {
	l.dispatcher.add(line{time.Now(), level, msg, attrs})
}

func (l *lines) flush(limit time.Duration) { l.dispatcher.flush(limit) }

func (l *lines) drop() {
	l.dropped.Add(1)
	l.lost.Add(1)
}

func (l *lines) write(n line) {
	ctx := context.Background()
	if !l.handler.Enabled(ctx, n.level) {
		return
	}
	record := slog.NewRecord(n.at, n.level, n.msg, 0)
	record.AddAttrs(n.attrs()...)
	dropped := l.dropped.Load()
	if dropped > 0 {
		record.AddAttrs(slog.Uint64("log.dropped", dropped))
	}
	_ = l.handler.Handle(ctx, record) // a logger ignores this error, too
	l.dropped.Add(-dropped)           // not if it has panicked: then the line was not written
}

// callbackPanicked logs a panic by type only: the value may hold a token. A callback that ended
// its goroutine, such as t.FailNow does, has said so elsewhere.
func (l *lines) callbackPanicked(value any) {
	if value == nil {
		return
	}
	l.add(slog.LevelError, "toloka credential callback panicked", func() []slog.Attr {
		return []slog.Attr{slog.String("panic.type", fmt.Sprintf("%T", value))}
	})
}
