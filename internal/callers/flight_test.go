package callers

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// A request that has looked at the caches before a shared call landed starts another flight after
// it. That flight must use the answer that is there, and not ask and count it again.
func TestEngine_lateFlights(t *testing.T) {
	const ttl = time.Minute
	tests := map[string]struct {
		verified bool // before the first flight
		fault    requestertest.Fault
		check    func(t *testing.T, late flight)
	}{
		"unknown, refused": {
			fault: requestertest.Status(401),
			check: func(t *testing.T, late flight) { assert.True(t, late.refused) },
		},
		"unknown, no verdict": {
			fault: requestertest.Status(500),
			check: func(t *testing.T, late flight) {
				assert.Nil(t, late.record)
				assert.Equal(t, time.Second, late.retryAfter)
			},
		},
		"verified again": {
			verified: true,
			check:    func(t *testing.T, late flight) { assert.Zero(t, late.record.refusals) },
		},
		"refused once": {
			verified: true, fault: requestertest.Status(401),
			check: func(t *testing.T, late flight) {
				assert.False(t, late.refused)
				assert.Equal(t, 1, late.record.refusals)
				assert.Equal(t, recheckAfter, late.retryAfter)
			},
		},
		"verified, no verdict": {
			verified: true, fault: requestertest.Status(500),
			check: func(t *testing.T, late flight) {
				assert.Equal(t, 1, late.record.failures)
				assert.Equal(t, firstBackoff, late.retryAfter)
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := requestertest.NewPlatform()
				client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()))
				require.NoError(t, err)
				e := New(client, Config{
					TTL: ttl, RefusedTTL: 10 * time.Second, MaxStale: 15 * time.Minute,
					Entries: 10, PerSecond: 1, Burst: 10, InFlight: 2,
				})
				defer e.Close()
				token := p.IssueToken("1").WithScheme(credentials.SchemeAPIKey)
				k := e.keys.key(header{scheme: credentials.SchemeAPIKey, value: token.Reveal()})
				if tt.verified {
					require.NotNil(t, e.ask(k, token).record)
					time.Sleep(ttl)
				}
				if tt.fault != nil {
					p.SetFaults(tt.fault)
				}
				e.ask(k, token)
				calls := p.Count()
				tt.check(t, e.ask(k, token))
				assert.Equal(t, calls, p.Count(), "the late flight asked")
			})
		})
	}
}

// TestForget_bothSchemes: a caller may use its token under either scheme. The verdicts differ.
func TestForget_bothSchemes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 1, nil)
		token := o.platform.IssueToken("1")
		check := func(scheme string, calls int64) {
			t.Helper()
			o.engine.Check(t.Context(), scheme+" "+token.Reveal())
			require.Equal(t, calls, o.calls.Load(), "calls")
		}
		check("ApiKey", 1)
		check("OAuth", 2)
		check("OAuth", 2)
		o.engine.Forget(token)
		check("ApiKey", 3)
		check("OAuth", 4)
	})
}
