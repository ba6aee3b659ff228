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
	"github.com/tolokacheck/tolokacheck/internal/describe"
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

func added(tb testing.TB, d Driver) {
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
	// ErrNotFound or a transient error is the provider's choice, but the source is not invalid.
	if err := wantError(tb, d, nil); errors.Is(err, credentials.ErrInvalid) {
		tb.Errorf("removed token: the error wraps ErrInvalid: %v", err)
	}
	d.Set(second)
	wantToken(tb, d, second, "")
}

func breaks(tb testing.TB, d Driver) {
	d.Break()
	if err := wantError(tb, d, nil); errors.Is(err, credentials.ErrNotFound) {
		tb.Errorf("broken source: the error wraps ErrNotFound, so a chain would continue: %v", err)
	}
}

func repaired(tb testing.TB, d Driver) {
	wantToken(tb, d, first, "")
	d.Break()
	wantError(tb, d, nil)
	d.Set(second)
	wantToken(tb, d, second, "")
}

func cancelled(tb testing.TB, d Driver) {
	wantToken(tb, d, first, "") // which a provider with a cache could return again
	wantEnded(tb, d, func(ctx context.Context) error {
		token, err := d.Provider.Token(ctx)
		if !token.IsZero() {
			tb.Error("ended context: Token returned a token")
		}
		return err
	})
	wantToken(tb, d, first, "")
}

func pollCancelled(tb testing.TB, d Driver) {
	wantEnded(tb, d, func(ctx context.Context) error {
		_, err := d.Provider.(credentials.Poller).Poll(ctx, nil)
		return err
	})
}

// wantEnded calls f with a cancelled context and with one whose deadline has passed.
func wantEnded(tb testing.TB, d Driver, f func(context.Context) error) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		before := reads(d)
		err := f(ctx)
		if !errors.Is(err, ctx.Err()) {
			tb.Errorf("ended context: error %v, want one that wraps %q", err, ctx.Err())
		}
		if errors.Is(err, credentials.ErrNotFound) || errors.Is(err, credentials.ErrInvalid) {
			tb.Errorf("ended context: the error is about the source: %v", err)
		}
		if n := reads(d) - before; n != 0 {
			tb.Errorf("ended context: the source was read %d times", n)
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
	wantPoll(tb, d, nil, true, "before the first read")
	wantToken(tb, d, first, "")
	old := tokens(tb, d)
	wantPoll(tb, d, old, false, "after a read")
	d.Set(second)
	wantPoll(tb, d, old, true, "after a change")
	wantPoll(tb, d, old, true, "again after the same change")
	wantToken(tb, d, second, "")
	wantPoll(tb, d, tokens(tb, d), false, "by the caller who has read the change")
	wantPoll(tb, d, old, true, "by another caller, who has not")
	wantPoll(tb, d, nil, true, "by a caller whose last read failed")
}

func wantPoll(tb testing.TB, d Driver, have []credentials.Token, want bool, when string) {
	tb.Helper()
	changed, err := d.Provider.(credentials.Poller).Poll(context.Background(), have)
	if err != nil {
		tb.Errorf("Poll %s: %v", when, err)
	} else if changed != want {
		tb.Errorf("Poll %s: changed is %t, want %t", when, changed, want)
	}
}

// tokens reads all the tokens of the provider.
func tokens(tb testing.TB, d Driver) []credentials.Token {
	tb.Helper()
	if p, ok := d.Provider.(credentials.MultiProvider); ok {
		all, err := p.Tokens(context.Background())
		if err != nil {
			tb.Fatalf("Tokens: %v", err)
		}
		return all
	}
	token, err := d.Provider.Token(context.Background())
	if err != nil {
		tb.Fatalf("Token: %v", err)
	}
	return []credentials.Token{token}
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
				tb.Errorf("Tokens: %v is listed twice", t)
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

// storm calls all methods of the provider from several goroutines, while meanwhile runs.
func storm(tb testing.TB, d Driver, meanwhile func()) {
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 10 {
				token, err := d.Provider.Token(context.Background())
				if err != nil {
					tb.Errorf("Token called concurrently: %v", err)
				} else if value := token.Reveal(); value != first && value != second {
					tb.Errorf("Token called concurrently: %v was never set", token)
				}
				if p, ok := d.Provider.(credentials.Poller); ok {
					_, _ = p.Poll(context.Background(), []credentials.Token{token})
				}
				if p, ok := d.Provider.(credentials.MultiProvider); ok {
					_, _ = p.Tokens(context.Background())
				}
				if p, ok := d.Provider.(credentials.Warner); ok {
					_ = p.Warnings()
				}
				describe.Of(d.Provider)
			}
		})
	}
	meanwhile()
	callers.Wait()
}

func described(tb testing.TB, d Driver) {
	before := describe.Of(d.Provider)
	wantToken(tb, d, first, "")
	for _, text := range []string{before, describe.Of(d.Provider)} {
		if text == "" || len(text) > 1024 || strings.ContainsAny(text, "\r\n") {
			tb.Errorf("Describe: %q is not a short line", text)
		}
		noSecret(tb, "Describe", text)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		noSecret(tb, "provider formatted with "+verb, fmt.Sprintf(verb, d.Provider))
	}
}
