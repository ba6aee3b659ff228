package health

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// written returns what the lines wrote, without the time.
func written(l *lines, buf *bytes.Buffer) []string {
	l.flush(time.Second)
	var out []string
	for line := range strings.Lines(buf.String()) {
		_, rest, _ := strings.Cut(line, " ")
		out = append(out, strings.TrimSuffix(rest, "\n"))
	}
	return out
}

func attrs(all ...slog.Attr) func() []slog.Attr { return func() []slog.Attr { return all } }

func TestLines(t *testing.T) {
	t.Run("time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var buf bytes.Buffer
			l := newLines(slog.New(slog.NewTextHandler(&buf, nil)))
			begin := time.Now()
			l.add(slog.LevelInfo, "slow", func() []slog.Attr {
				time.Sleep(time.Hour)
				return nil
			})
			l.flush(2 * time.Hour)
			assert.Contains(t, buf.String(), "time="+begin.Format("2006-01-02T15:04:05.000Z"),
				"of when it was logged, not of when it was written")
		})
	})
	t.Run("level", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var buf bytes.Buffer
			l := newLines(slog.New(slog.NewTextHandler(&buf, nil)))
			l.add(slog.LevelDebug, "hidden", func() []slog.Attr { panic("not formatted") })
			l.add(slog.LevelInfo, "shown", attrs(slog.Int("n", 1)))
			assert.Equal(t, []string{"level=INFO msg=shown n=1"}, written(l, &buf))
		})
	})
	// The text of an error may be foreign code.
	t.Run("attributes panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var buf bytes.Buffer
			l := newLines(slog.New(slog.NewTextHandler(&buf, nil)))
			for range 2 {
				l.add(slog.LevelInfo, "lost", func() []slog.Attr { panic(errors.New("secret")) })
			}
			l.add(slog.LevelInfo, "first", attrs())
			l.add(slog.LevelInfo, "second", attrs())
			assert.Equal(t, []string{"level=INFO msg=first log.dropped=2", "level=INFO msg=second"},
				written(l, &buf))
			assert.EqualValues(t, 2, l.lost.Load(), "in all")
		})
	})
	t.Run("callback panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var buf bytes.Buffer
			l := newLines(slog.New(slog.NewTextHandler(&buf, nil)))
			l.callbackPanicked(errors.New("secret"))
			assert.Equal(t, []string{
				`level=ERROR msg="toloka credential callback panicked" panic.type=*errors.errorString`,
			}, written(l, &buf))
		})
	})
}

// A handler that panics loses its line, and not the number of those before.
func TestLinesCountPastAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		h := &panicsOnce{Handler: slog.NewTextHandler(&buf, nil)}
		l := newLines(slog.New(h))
		l.dropped.Store(5)
		l.add(slog.LevelInfo, "lost", attrs())
		l.add(slog.LevelInfo, "written", attrs())
		assert.Equal(t, []string{"level=INFO msg=written log.dropped=6"}, written(l, &buf))
	})
}

type panicsOnce struct {
	slog.Handler
	done bool
}

func (h *panicsOnce) Handle(ctx context.Context, r slog.Record) error {
	if !h.done {
		h.done = true
		panic("no room")
	}
	return h.Handler.Handle(ctx, r)
}
