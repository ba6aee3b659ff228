package story

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// terminal prints the story. It is not safe for concurrent use.
type terminal struct {
	out  io.Writer
	said bytes.Buffer // everything printed, to be searched for tokens at the end
}

func (t *terminal) heading(number int, title string) { t.print("\n%d. %s\n", number, title) }

func (t *terminal) say(format string, args ...any) { t.print("   "+format+"\n", args...) }

func (t *terminal) print(format string, args ...any) {
	fmt.Fprintf(io.MultiWriter(&t.said, t.out), format, args...)
}

// shows returns the fingerprints of the tokens of which a part was printed.
func (t *terminal) shows(tokens []credentials.Token) (fingerprints []string) {
	const part = 12
	said := t.said.String()
	for _, token := range tokens {
		value := token.Reveal()
		for i := 0; i+part <= len(value); i++ {
			if strings.Contains(said, value[i:i+part]) {
				fingerprints = append(fingerprints, token.Fingerprint())
				break
			}
		}
	}
	return fingerprints
}

// logs holds log lines of the service until the story prints them.
type logs struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // holds one element while there are lines
}

func newLogs() *logs { return &logs{more: make(chan struct{}, 1)} }

// logger returns a logger whose lines next returns. It omits the time, to keep lines short.
func (l *logs) logger() *slog.Logger {
	withoutTime := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
}

// Write adds one line: slog's handlers write each record with one call.
func (l *logs) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSuffix(string(line), "\n"))
	select {
	case l.more <- struct{}{}:
	default:
	}
	return len(line), nil
}

// next returns the next line, and waits for it if there is none.
func (l *logs) next(ctx context.Context) (string, error) {
	for {
		if line, ok := l.take(); ok {
			return line, nil
		}
		select {
		case <-l.more:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// take returns the next line if there is one.
func (l *logs) take() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return "", false
	}
	line := l.lines[0]
	l.lines = l.lines[1:]
	return line, true
}
