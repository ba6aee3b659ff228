package sharing

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token      = "AAAAAAAAAAAAAAAAAAAAAA.CANARY-secret-0000000000000000000000000000"
	otherToken = "BBBBBBBBBBBBBBBBBBBBBB.CANARY-secret-1111111111111111111111111111"
	production = "https://toloka.dev/api/v1"
)

func keysFor(token string) *Keys {
	k := deriveKeys(token, production, "ApiKey "+token, "")
	return &k
}

// accountJSON is an account whose parts are easy to find.
const accountJSON = `{"id":"account-CANARY","balance":121.3,"public_name":{"EN":"Jack CANARY"},` +
	`"company":{"id":"company-CANARY","superintendent_id":"s"}}`

func verified(t testing.TB) Answer {
	t.Helper()
	account, err := requester.ParseAccount([]byte(accountJSON))
	require.NoError(t, err)
	return Answer{
		Answer: platform.Answer{Class: requester.Verified, Account: account, Answered: true}, Fence: 7,
	}
}

func refusedAnswer() Answer {
	return Answer{
		Answer: platform.Answer{
			Class: requester.Rejected, Answered: true,
			Err: &requester.APIError{StatusCode: 401, Code: "AUTHENTICATION_ERROR", RequestID: "r-1"},
		},
		Fence: 7, Refusals: 2, RefusedFor: 1500 * time.Millisecond,
	}
}

func limitedAnswer() Answer {
	return Answer{
		Answer: platform.Answer{
			Class: requester.RateLimited, Answered: true, RetryAfter: 7 * time.Second,
			Err: &requester.APIError{StatusCode: 429, RetryAfter: 7 * time.Second},
		},
		Fence: 7, Probes: 3, Confirmed: true, Pause: 8 * time.Second,
	}
}

// entry seals a as if it had been stored a minute ago.
func entry(t testing.TB, k *Keys, a Answer) shared.Entry {
	t.Helper()
	data, err := a.seal(k, time.Now().Add(-time.Minute))
	require.NoError(t, err)
	return shared.Entry{Fence: a.Fence, Age: time.Minute, Pause: a.Pause, Data: data}
}

// store is a shared.Store made of functions.
type store struct {
	look func(context.Context, shared.Query) (shared.View, error)
	put  func(context.Context, shared.Answer) (bool, error)
}

func (s store) Look(ctx context.Context, _ string, q shared.Query) (shared.View, error) {
	return s.look(ctx, q)
}

func (s store) Put(ctx context.Context, _ string, a shared.Answer) (bool, error) {
	return s.put(ctx, a)
}

// showing is a store that shows v.
func showing(v shared.View) store {
	return store{look: func(context.Context, shared.Query) (shared.View, error) { return v, nil }}
}
