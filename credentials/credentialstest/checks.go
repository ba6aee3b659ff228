package credentialstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func present(tb testing.TB, d Driver) {
	for range 3 {
		wantToken(tb, d, first, "")
	}
}

func schemed(tb testing.TB, d Driver) { wantToken(tb, d, first, credentials.SchemeOAuth) }

func refused(tb testing.TB, d Driver) {
	wantError(tb, d, credentials.ErrInvalid)
}

func missing(tb testing.TB, d Driver) {
	d.Remove()
	for range 2 {
		wantError(tb, d, credentials.ErrNotFound)
	}
}

func arrives(tb testing.TB, d Driver) {
	d.Remove()
	wantError(tb, d, credentials.ErrNotFound)
	d.Set(second)
	wantToken(tb, d, second, "")
}

func changed(tb testing.TB, d Driver) {
	for _, value := range []string{first, second, first} {
		d.Set(value)
		wantToken(tb, d, value, "")
	}
}

func returns(tb testing.TB, d Driver) {
	wantToken(tb, d, first, "")
	d.Remove()
	// Not found or not now: that is the provider's choice, but it is nothing to mend.
	if err := wantError(tb, d, nil); errors.Is(err, credentials.ErrInvalid) {
		tb.Errorf("a token that has gone: the error wraps ErrInvalid: %v", err)
	}
	d.Set(second)
	wantToken(tb, d, second, "")
}

func breaks(tb testing.TB, d Driver) {
	d.Break()
	if err := wantError(tb, d, nil); errors.Is(err, credentials.ErrNotFound) {
		tb.Errorf("a broken source: the error wraps ErrNotFound, so a chain would go on: %v", err)
	}
}

func mended(tb testing.TB, d Driver) {
	wantToken(tb, d, first, "")
	d.Break()
	wantError(tb, d, nil)
	d.Set(second)
	wantToken(tb, d, second, "")
}

func cancelled(tb testing.TB, d Driver) {
	wantToken(tb, d, first, "") // something that a careless provider could give again
	wantEnded(tb, d, func(ctx context.Context) error {
		token, err := d.Provider.Token(ctx)
		if !token.IsZero() {
			tb.Error("Token delivered a token to a caller whose context has ended")
		}
		return err
	})
	wantToken(tb, d, first, "")
}

func pollCancelled(tb testing.TB, d Driver) {
	wantEnded(tb, d, func(ctx context.Context) error {
		_, err := d.Provider.(credentials.Poller).Poll(ctx)
		return err
	})
}

// wantEnded calls f with contexts that ended in each of the two ways.
func wantEnded(tb testing.TB, d Driver, f func(context.Context) error) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		before := reads(d)
		err := f(ctx)
		if !errors.Is(err, ctx.Err()) {
			tb.Errorf("a context that has ended: error %v, want one that wraps %q", err, ctx.Err())
		}
		if errors.Is(err, credentials.ErrNotFound) || errors.Is(err, credentials.ErrInvalid) {
			tb.Errorf("a context that has ended says nothing about the source: %v", err)
		}
		if n := reads(d) - before; n != 0 {
			tb.Errorf("the source was asked %d times for a caller whose context has ended", n)
		}
	}
}

func reads(d Driver) int {
	if d.Reads == nil {
		return 0
	}
	return d.Reads()
}

func polled(tb testing.TB, d Driver) {
	wantToken(tb, d, first, "")
	wantPoll(tb, d, false, "after the token was read")
	d.Set(second)
	wantPoll(tb, d, true, "after a change")
	wantPoll(tb, d, true, "as long as the change was not read")
	wantToken(tb, d, second, "")
	wantPoll(tb, d, false, "after the change was read")
}

func wantPoll(tb testing.TB, d Driver, want bool, when string) {
	tb.Helper()
	changed, err := d.Provider.(credentials.Poller).Poll(context.Background())
	if err != nil {
		tb.Errorf("Poll %s: %v", when, err)
	} else if changed != want {
		tb.Errorf("Poll %s: changed is %t, want %t", when, changed, want)
	}
}

func several(tb testing.TB, d Driver) {
	tokens, err := d.Provider.(credentials.MultiProvider).Tokens(context.Background())
	if err != nil {
		tb.Errorf("Tokens: %v", err)
	}
	if len(tokens) == 0 {
		tb.Fatal("Tokens: none")
	}
	if !tokens[0].Equal(parse(tb, first)) {
		tb.Errorf("Tokens: the first is %v, want %v", tokens[0], parse(tb, first))
	}
	for i, t := range tokens {
		for _, u := range tokens[:i] {
			if t.Equal(u) {
				tb.Errorf("Tokens: %v is there twice", t)
			}
		}
	}
}

func concurrent(tb testing.TB, d Driver) {
	storm(tb, d, func() {})
}

func concurrentChange(tb testing.TB, d Driver) {
	wantToken(tb, d, first, "")
	storm(tb, d, func() {
		for range 5 {
			d.Set(second)
			d.Set(first)
		}
	})
	wantToken(tb, d, first, "")
}

// storm calls everything that the provider has from several goroutines, while meanwhile runs.
func storm(tb testing.TB, d Driver, meanwhile func()) {
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 10 {
				token, err := d.Provider.Token(context.Background())
				if err != nil {
					tb.Errorf("Token, from several goroutines: %v", err)
				} else if value := token.Reveal(); value != first && value != second {
					tb.Errorf("Token, from several goroutines: %v was never set", token)
				}
				if p, ok := d.Provider.(credentials.Poller); ok {
					_, _ = p.Poll(context.Background())
				}
				if p, ok := d.Provider.(credentials.MultiProvider); ok {
					_, _ = p.Tokens(context.Background())
				}
				credentials.Describe(d.Provider)
			}
		})
	}
	meanwhile()
	callers.Wait()
}

func described(tb testing.TB, d Driver) {
	before := credentials.Describe(d.Provider)
	wantToken(tb, d, first, "")
	for _, text := range []string{before, credentials.Describe(d.Provider)} {
		if text == "" || len(text) > 1024 || strings.ContainsAny(text, "\r\n") {
			tb.Errorf("Describe: %q is not a short line", text)
		}
		noSecret(tb, "Describe", text)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		noSecret(tb, "the provider under "+verb, fmt.Sprintf(verb, d.Provider))
	}
}
