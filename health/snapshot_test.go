package health_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
)

func TestZeroSnapshot(t *testing.T) {
	for name, snap := range map[string]*health.Snapshot{
		"literal":     {},
		"NewSnapshot": health.NewSnapshot(health.State{}),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, "fail: starting", verdictOf(snap))
			assert.Equal(t, health.ReasonStarting, snap.Reason())
			assert.Equal(t, health.StatusFail, snap.Readiness())
			assert.False(t, snap.Open())
			assert.False(t, snap.Ready())
			_, err := snap.Token()
			assert.EqualError(t, err, "health: starting: no check has finished yet; wait for the first check")
			_, err = snap.Account()
			assert.Error(t, err)
			assert.Error(t, snap.Check())
			assert.NoError(t, snap.State().Err)
			assert.Equal(t, health.State{Reasons: []health.Reason{health.ReasonStarting}}, snap.State())
			assert.Equal(t, credentials.Token{}.Fingerprint(), snap.TokenFingerprint())
		})
	}
}

func TestZeroErrors(t *testing.T) {
	assert.EqualError(t, &health.Error{}, "health: Reason(0): unknown reason; report a bug")
	assert.NoError(t, errors.Unwrap(&health.Error{}))
	assert.False(t, errors.Is(&health.Error{}, health.ErrClosed))
	assert.EqualError(t, &health.NotAskedError{}, "health: the platform was not asked: ")
	assert.Equal(t, requester.NotAsked, requester.ClassOf(&health.NotAskedError{}))
}

func TestErrorText(t *testing.T) {
	cause := errors.New("cause")
	refusal := &requester.APIError{StatusCode: 401}
	t.Setenv("TOLOKA_TOKEN", "")
	t.Setenv("TOLOKA_TOKEN_FILE", filepath.Join(t.TempDir(), "missing"))
	_, missing := credentials.Default().Token(t.Context())
	require.ErrorIs(t, missing, credentials.ErrNotFound)
	_, quoted := credentials.Static(`"` + tokenA + `"`).Token(t.Context())
	require.ErrorIs(t, quoted, credentials.ErrInvalid)
	client, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, &net.DNSError{Name: "toloka.dev", IsNotFound: true}
		}),
	}))
	require.NoError(t, err)
	token, err := credentials.ParseToken(tokenA)
	require.NoError(t, err)
	_, network := client.Requester(t.Context(), token)
	require.ErrorAs(t, network, new(*requester.TransportError))
	for name, tt := range map[string]struct {
		err  *health.Error
		want string
	}{
		"without a cause": {
			&health.Error{Reason: health.ReasonLowBalance},
			"health: low_balance: the account's balance is low; top up the account",
		},
		"with a name": {
			&health.Error{Name: "payouts", Reason: health.ReasonClosed, Err: cause},
			"health payouts: closed: the checker is closed: cause; " + health.ReasonClosed.Advice(),
		},
		"the platform's answer has advice": {
			&health.Error{Reason: health.ReasonRejected, Err: refusal},
			"health: rejected: the platform refuses the token: " + refusal.Error(),
		},
		"the error of the network has none": {
			&health.Error{Reason: health.ReasonUnreachable, Err: network},
			"health: unreachable: the platform has not verified the token recently: " + network.Error() +
				"; " + health.ReasonUnreachable.Advice(),
		},
		"no token, with advice": {
			&health.Error{Reason: health.ReasonNoCredential, Err: missing},
			"health: no_credential: no API token could be loaded: " + missing.Error(),
		},
		"not a token, with advice": {
			&health.Error{Reason: health.ReasonNoCredential, Err: quoted},
			"health: no_credential: no API token could be loaded: " + quoted.Error(),
		},
		"the source's error has none": {
			&health.Error{Reason: health.ReasonNoCredential, Err: cause},
			"health: no_credential: no API token could be loaded: cause; " +
				health.ReasonNoCredential.Advice(),
		},
	} {
		t.Run(name, func(t *testing.T) { assert.EqualError(t, tt.err, tt.want) })
	}
}

func TestSnapshotLendsOnlyWhatIsVerified(t *testing.T) {
	token, err := credentials.ParseToken(tokenA)
	require.NoError(t, err)
	account, err := requester.ParseAccount([]byte(`{"id":"1"}`))
	require.NoError(t, err)
	cause := errors.New("cause")
	for _, r := range allReasons {
		t.Run(r.String(), func(t *testing.T) {
			snap := health.NewSnapshot(health.State{
				Name: "n", Reasons: []health.Reason{r}, Token: token, Account: account, Err: cause,
			})
			gotToken, tokenErr := snap.Token()
			gotAccount, accountErr := snap.Account()
			assert.Same(t, account, snap.State().Account, "for display")
			if r.Status() != health.StatusFail {
				require.NoError(t, tokenErr)
				require.NoError(t, accountErr)
				require.NoError(t, snap.Check())
				assert.True(t, gotToken.Equal(token))
				assert.Same(t, account, gotAccount)
				return
			}
			assert.True(t, gotToken.IsZero())
			assert.Nil(t, gotAccount)
			for _, err := range []error{tokenErr, accountErr, snap.Check()} {
				assert.EqualError(t, err, "health n: "+r.String()+": "+r.Meaning()+": cause; "+r.Advice())
				assert.ErrorIs(t, err, cause)
				assert.Equal(t, r == health.ReasonClosed, errors.Is(err, health.ErrClosed))
			}
		})
	}
}

func TestSnapshot_State(t *testing.T) {
	token, err := credentials.ParseToken(tokenA)
	require.NoError(t, err)
	account, err := requester.ParseAccount([]byte(`{"id":"1","balance":5,"public_name":{"EN":"Jack"}}`))
	require.NoError(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	given := health.State{
		Name: "n", Environment: "sandbox", Reasons: []health.Reason{health.ReasonStale}, KeepReady: true,
		Draining: true, Started: true, Token: token, TokenSource: "env:X", Account: account,
		VerifiedAt: at, AnsweredAt: at.Add(1), Latency: 2, Breaker: "open",
		NextCheck: at.Add(5), MaxStale: 6,
		MinBalance: decimal.NullDecimal{Decimal: decimal.MustParse("7"), Valid: true},
		Since:      at.Add(3), RetryAfter: 4, Err: errors.New("cause"),
		History: []health.Change{{At: at, From: health.ReasonVerified, To: health.ReasonStale}},
		Shared:  shared.Stats{Mode: "active"},
	}
	snap := health.NewSnapshot(given)
	want := given
	want.Token = credentials.Token{}
	for field := range reflect.TypeFor[health.State]().NumField() {
		name := reflect.TypeFor[health.State]().Field(field).Name
		assert.False(t, reflect.ValueOf(given).Field(field).IsZero(), "%s is tested", name)
	}
	assert.Equal(t, want, snap.State(), "all but the token")
	assert.Equal(t, health.StatusFail, snap.Readiness(), "draining")
	got, err := snap.Token()
	require.NoError(t, err)
	assert.True(t, got.Equal(token))
	assert.Equal(t, token.Fingerprint(), snap.TokenFingerprint())

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		for _, printed := range []any{given, snap.State(), &given, snap, *snap} {
			text := fmt.Sprintf(verb, printed)
			assert.NotContains(t, text, tokenA, verb)
			assert.NotContains(t, text, hex.EncodeToString([]byte(tokenA)), verb)
		}
	}
}

func TestReadiness(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	unreachable := []health.Reason{health.ReasonUnreachable, health.ReasonConfirmingRejection}
	with := func(r health.Reason) []health.Reason { return append(slices.Clip(unreachable), r) }
	for _, tt := range []struct {
		name  string
		state health.State
		want  health.Status
	}{
		{"default", health.State{Reasons: unreachable, VerifiedAt: at}, health.StatusFail},
		{"kept", health.State{Reasons: unreachable, VerifiedAt: at, KeepReady: true}, health.StatusWarn},
		{"never verified", health.State{Reasons: unreachable, KeepReady: true}, health.StatusFail},
		{
			"draining",
			health.State{Reasons: unreachable, VerifiedAt: at, KeepReady: true, Draining: true},
			health.StatusFail,
		},
		{
			"closed",
			health.State{Reasons: with(health.ReasonClosed), VerifiedAt: at, KeepReady: true},
			health.StatusFail,
		},
		{
			"insufficient balance",
			health.State{Reasons: with(health.ReasonInsufficientBalance), VerifiedAt: at, KeepReady: true},
			health.StatusFail,
		},
		{
			"low balance",
			health.State{Reasons: with(health.ReasonLowBalance), VerifiedAt: at, KeepReady: true},
			health.StatusWarn,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			snap := health.NewSnapshot(tt.state)
			assert.Equal(t, tt.want, snap.Readiness())
			assert.Equal(t, tt.want != health.StatusFail, snap.Ready())
			assert.False(t, snap.Open(), "the gate follows the status")
		})
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	for _, r := range allReasons {
		snap := health.NewSnapshot(health.State{Reasons: []health.Reason{r}})
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			_, _ = snap.Token()
			_, _ = snap.Account()
			_ = snap.Check()
			_ = snap.Open()
			_ = snap.State().Reasons
			_ = snap.State()
		}))
	}
	checker, err := health.New(credentials.Static("t"))
	require.NoError(t, err)
	defer checker.Close()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = checker.Snapshot().Token()
		_, _ = checker.Snapshot().Account()
		_ = checker.Check(t.Context())
		_ = checker.Snapshot()
	}), "Token, Account, Check and Snapshot of a Checker")
}
