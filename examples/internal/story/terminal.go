package main

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

// terminal is where the story is told. It is for one goroutine.
type terminal struct {
	out  io.Writer
	said bytes.Buffer // everything, to be searched for tokens at the end
}

func (t *terminal) heading(number int, title string) { t.print("\n%d. %s\n", number, title) }

func (t *terminal) say(format string, args ...any) { t.print("   "+format+"\n", args...) }

func (t *terminal) print(format string, args ...any) {
	fmt.Fprintf(io.MultiWriter(&t.said, t.out), format, args...)
}

// shows returns which of the tokens can be read on the terminal, in whole or in a part that would help to guess the rest.
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

// logs holds the lines of the service's log until the story comes to them.
type logs struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // holds one element while there are lines
}

func newLogs() *logs { return &logs{more: make(chan struct{}, 1)} }

// logger returns a logger whose lines come out of next. The time is left out: it would push what matters off the screen.
func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// Write takes one line: slog's handlers write each record by one call.
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

// next waits for a line.
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

// take returns a line if there is one.
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
