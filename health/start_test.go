package health_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestStart(t *testing.T) {
	broken := errors.New("vault is sealed")
	invalid := errors.Join(errors.New("file is empty"), credentials.ErrInvalid)
	tests := []struct {
		name    string
		answer  func(string) reply
		source  func(*source)
		opts    []health.Option
		wantErr string // how the error begins; empty: no error
		reason  health.Reason
		class   requester.Class
		is      error
		verdict string
		calls   int
		took    time.Duration
	}{
		{name: "verifies a good token with one call", answer: always(account("1")), verdict: "pass: verified", calls: 1},
		{
			name: "waits for the slow answer of a good token", answer: always(reply{status: 200, body: account("1").body, after: 4 * time.Second}),
			verdict: "pass: verified", calls: 1, took: 4 * time.Second,
		},
		{
			name: "fails for a refused token, after asking twice", answer: always(refused),
			wantErr: "health: rejected: the platform refuses the token: ", reason: health.ReasonRejected,
			verdict: "fail: rejected", calls: 2, took: time.Second, class: requester.Rejected,
		},
		{
			name: "does not fail for one odd refusal", answer: inTurn(refused, account("1")),
			verdict: "pass: verified", calls: 2, took: time.Second,
		},
		{
			name: "fails at once for a token of another account", answer: always(account("2")), opts: []health.Option{health.ExpectAccount("1")},
			wantErr: "health: wrong_account: the token belongs to another account: account 1 was expected, the token belongs to account 2; ",
			reason:  health.ReasonWrongAccount, verdict: "fail: wrong_account", calls: 1,
		},
		{
			name: "fails at once for a token of another company", answer: always(account("1")), opts: []health.Option{health.ExpectCompany("9")},
			wantErr: "health: wrong_account: the token belongs to another account: an account of company 9 was expected, the token belongs to account 1 of company 123; ",
			reason:  health.ReasonWrongAccount, verdict: "fail: wrong_account", calls: 1,
		},
		{
			name: "fails at once for an account without the expected company", answer: always(poor("1", "5")), opts: []health.Option{health.ExpectCompany("9")},
			wantErr: "health: wrong_account: the token belongs to another account: an account of company 9 was expected, the token belongs to account 1 of no company; ",
			reason:  health.ReasonWrongAccount, verdict: "fail: wrong_account", calls: 1,
		},
		{
			name: "fails at once without a token", answer: always(account("1")), source: func(s *source) { s.has() },
			wantErr: "health: no_credential: no API token could be loaded: source: nothing here: credentials: no token found; ", reason: health.ReasonNoCredential,
			is: credentials.ErrNotFound, verdict: "fail: no_credential",
		},
		{
			name: "fails at once for a source that a person has to mend", answer: always(account("1")), source: func(s *source) { s.breaks(invalid) },
			wantErr: "health: no_credential: no API token could be loaded: file is empty", reason: health.ReasonNoCredential,
			is: credentials.ErrInvalid, verdict: "fail: no_credential",
		},
		{
			name: "fails at once when something else than the platform answers", answer: always(gone),
			wantErr: "health: unreachable: ", reason: health.ReasonUnreachable, class: requester.Misdirected, verdict: "fail: starting", calls: 1,
		},
		{
			name: "fails at once when a firewall answers 403, and does not call the token bad", answer: always(firewall),
			wantErr: "health: unreachable: ", reason: health.ReasonUnreachable, class: requester.Misdirected, verdict: "fail: starting", calls: 1,
		},
		{
			// Calls at 0, 1.25 and 3.75 s; the third opens the breaker for 30 s, longer than Start has.
			name: "comes up not ready when the platform is down", answer: always(down),
			verdict: "fail: unreachable", calls: 3, took: 3750 * time.Millisecond,
		},
		{
			name: "comes up not ready when the platform cannot be reached", answer: always(noRoute),
			verdict: "fail: unreachable", calls: 3, took: 3750 * time.Millisecond,
		},
		{
			// The first call is given up after 5 s, the second is cut off by the end of Start.
			name: "takes no longer than its timeout when the platform hangs", answer: always(hang),
			verdict: "fail: unreachable", calls: 2, took: 10 * time.Second,
		},
		{
			name: "comes up verified when the platform comes back in time", answer: inTurn(down, down, account("1")),
			verdict: "pass: verified", calls: 3, took: 3750 * time.Millisecond,
		},
		{
			// One call, then a hold of ten seconds.
			name: "waits out a rate limit that is longer than itself without a call", answer: always(limited("30")),
			verdict: "fail: unreachable", calls: 1,
		},
		{
			name: "comes up not ready when the source does not answer", answer: always(account("1")), source: func(s *source) { s.breaks(broken) },
			verdict: "fail: no_credential", took: 8750 * time.Millisecond,
		},
		{
			name: "fails when the platform is down and a verification is required", answer: always(down), opts: []health.Option{health.RequireVerified()},
			wantErr: "health: unreachable: ", reason: health.ReasonUnreachable, class: requester.Unavailable,
			verdict: "fail: starting", calls: 3, took: 3750 * time.Millisecond,
		},
		{
			name: "fails when the source does not answer and a verification is required", answer: always(account("1")),
			source: func(s *source) { s.breaks(broken) }, opts: []health.Option{health.RequireVerified()},
			wantErr: "health: no_credential: no API token could be loaded: vault is sealed; ", reason: health.ReasonNoCredential, is: broken,
			verdict: "fail: no_credential", took: 8750 * time.Millisecond,
		},
		{
			name: "says so when it is over before the platform has answered, and a verification is required", answer: always(hang),
			opts:    []health.Option{health.RequireVerified(), health.WithStartupTimeout(3 * time.Second)},
			wantErr: "health: unreachable: the platform could not be asked for too long: health: no answer within the 3s of Start; ", reason: health.ReasonUnreachable,
			class: requester.Unavailable, verdict: "fail: starting", calls: 1, took: 3 * time.Second,
		},
		{
			name: "says so when it is over before the source has answered, and a verification is required", answer: always(account("1")),
			source:  func(s *source) { s.slow = true },
			opts:    []health.Option{health.RequireVerified(), health.WithStartupTimeout(3 * time.Second)},
			wantErr: "health: no_credential: no API token could be loaded: health: test:source: no answer within the 3s of Start; ", reason: health.ReasonNoCredential,
			verdict: "fail: no_credential", took: 3 * time.Second,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.answer, tt.opts...)
				if tt.source != nil {
					tt.source(w.source)
				}
				begin := time.Now()
				err := w.checker.Start(t.Context())
				assert.Equal(t, tt.took, time.Since(begin))
				assert.Equal(t, tt.verdict, w.verdict())
				assert.Equal(t, tt.calls, w.platform.count())
				if tt.wantErr == "" {
					require.NoError(t, err)
					assert.True(t, w.checker.Snapshot().Started())
					return
				}
				require.Error(t, err)
				assert.Regexp(t, "^"+tt.wantErr, err.Error())
				assert.False(t, w.checker.Snapshot().Started())
				var verdict *health.Error
				require.ErrorAs(t, err, &verdict)
				assert.Equal(t, tt.reason, verdict.Reason)
				if tt.class != 0 {
					assert.Equal(t, tt.class, requester.ClassOf(err))
				}
				if tt.is != nil {
					assert.ErrorIs(t, err, tt.is)
				}

				// Nothing runs after an error, and a second attempt is possible.
				calls, reads := w.platform.count(), w.source.readCount()
				time.Sleep(time.Hour)
				assert.Equal(t, calls, w.platform.count())
				assert.Equal(t, reads, w.source.readCount())
				w.source.has(tokenA)
				w.will(always(account("1")))
				if tt.opts == nil {
					assert.NoError(t, w.checker.Start(t.Context()))
				}
			})
		})
	}
}

// inTurn gives one answer after the other, and the last one for ever.
func inTurn(replies ...reply) func(string) reply {
	i := -1
	return func(string) reply {
		i = min(i+1, len(replies)-1)
		return replies[i]
	}
}

func TestStartIsLeft(t *testing.T) {
	t.Run("by its caller, and nothing runs after it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(hang))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := w.checker.Start(ctx)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.EqualError(t, err, "health: Start was left before the credential was verified: context deadline exceeded")
			time.Sleep(time.Hour)
			assert.Equal(t, 1, w.platform.count())
			assert.ErrorIs(t, w.checker.Refresh(t.Context()), health.ErrNotStarted)
		})
	})
	t.Run("by its own patience, and the answer under way counts when it comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			slow := account("1")
			slow.after = 4 * time.Second
			w := newWorld(t, inTurn(limited("7"), slow))
			release := make(chan struct{})
			defer close(release)
			time.AfterFunc(8*time.Second, func() { w.source.hangsUntil(release) })
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, 10*time.Second, time.Since(w.born))
			assert.Equal(t, "fail: unreachable", w.verdict())
			time.Sleep(time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict(), "11 seconds after the start, and not when the source has come back")
			assert.Equal(t, 2, w.platform.count())
		})
	})
	t.Run("when the checker is closed meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(hang))
			time.AfterFunc(time.Second, func() { w.checker.Close() })
			begin := time.Now()
			assert.ErrorIs(t, w.checker.Start(t.Context()), health.ErrClosed)
			assert.Equal(t, time.Second, time.Since(begin))
			assert.Equal(t, "fail: closed,starting", w.verdict())
		})
	})
}

func TestStartRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(reply{status: 200, body: account("1").body, after: time.Second}))
		assert.ErrorIs(t, w.checker.Refresh(t.Context()), health.ErrNotStarted)
		first := make(chan error)
		go func() { first <- w.checker.Start(t.Context()) }()
		synctest.Wait()
		assert.ErrorIs(t, w.checker.Start(t.Context()), health.ErrStarted, "a second Start beside the first")
		assert.NoError(t, <-first)
		assert.ErrorIs(t, w.checker.Start(t.Context()), health.ErrStarted, "a second Start after the first")
		assert.Equal(t, 1, w.platform.count())
		w.checker.Close()
		assert.ErrorIs(t, w.checker.Start(t.Context()), health.ErrClosed)
	})
}
