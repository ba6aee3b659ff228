//go:build unix

package story

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/examples/internal/exampletest"
	"github.com/tolokacheck/tolokacheck/health"
)

func TestMain(m *testing.M) {
	exampletest.Waiting()
	goleak.VerifyTestMain(m)
}

// TestStepFails breaks the service in one place and checks which step fails.
func TestStepFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// lies returns a status to answer a request with instead of the service, or 0.
		lies func(r *http.Request, snap *health.Snapshot) int
		// before runs before the story.
		before func(s *story)
		plays  []int // the numbers of the steps
		want   string
	}{
		{
			name:   "token_refused_at_start",
			before: func(s *story) { s.world.deleteToken() },
			plays:  []int{1},
			want:   "step 1 (The service starts and verifies its token) failed: health: rejected: ",
		},
		{
			name: "gate_open_before_verification",
			lies: func(r *http.Request, snap *health.Snapshot) int {
				return only(r.URL.Path == "/account" && snap.Reason() == health.ReasonStarting, http.StatusOK)
			},
			plays: []int{1},
			want:  "step 1 (The service starts and verifies its token) failed: GET /account: status 200, not 503",
		},
		{
			name: "failed_poll",
			lies: func() func(r *http.Request, snap *health.Snapshot) int {
				var n atomic.Int64
				return func(r *http.Request, _ *health.Snapshot) int {
					return only(r.URL.Path == "/healthz" && n.Add(1) == 20, http.StatusInternalServerError)
				}
			}(),
			plays: []int{1, 2},
			want:  "step 2 (A load balancer polls) failed: 1 of ",
		},
		{
			name: "not_ready_in_an_outage",
			lies: func(r *http.Request, snap *health.Snapshot) int {
				stale := r.URL.Path == "/healthz" && snap.Reason() == health.ReasonStale
				return only(stale, http.StatusServiceUnavailable)
			},
			plays: []int{1, 3},
			want:  "step 3 (The platform goes down) failed: GET /healthz: status 503, not 200",
		},
		{
			name: "failed_request_in_a_rotation",
			lies: func() func(r *http.Request, snap *health.Snapshot) int {
				var n atomic.Int64
				return func(r *http.Request, _ *health.Snapshot) int {
					return only(r.URL.Path == "/balance" && n.Add(1) == 20, http.StatusBadGateway)
				}
			}(),
			plays: []int{1, 5},
			want:  "step 5 (The token is rotated under load) failed: 1 of ",
		},
		{
			name: "gate_does_not_close",
			lies: func(r *http.Request, snap *health.Snapshot) int {
				return only(r.URL.Path == "/account" && snap.Reason() == health.ReasonRejected, http.StatusOK)
			},
			plays: []int{1, 6},
			want:  "step 6 (The token is deleted on the platform) failed: GET /account: status 200, not 503",
		},
		{
			name: "outage_taken_for_a_refusal",
			lies: func(r *http.Request, snap *health.Snapshot) int {
				stale := r.URL.Path == "/mine" && snap.Reason() == health.ReasonStale
				return only(stale, http.StatusUnauthorized)
			},
			plays: []int{1, 8, 9},
			want:  "step 9 (The platform goes down while callers come) failed: GET /mine of ada: 401 , not 200 ",
		},
		{
			name: "no_verdict_on_a_deleted_token",
			lies: func() func(r *http.Request, snap *health.Snapshot) int {
				var n atomic.Int64
				return func(r *http.Request, _ *health.Snapshot) int {
					return only(r.URL.Path == "/mine" && n.Add(1) == 3, http.StatusServiceUnavailable)
				}
			}(),
			plays: []int{1, 8},
			want:  "step 8 (Two callers bring tokens of their own) failed: GET /mine of bob: 503 , not 401 ",
		},
		{
			name: "drain_not_reported",
			lies: func(r *http.Request, snap *health.Snapshot) int {
				return only(r.URL.Path == "/readyz" && snap.State().Draining, http.StatusOK)
			},
			plays: []int{1, 10},
			want:  "step 10 (The service drains and exits) failed: GET /readyz: status 200, not 503",
		},
		{
			name:   "token_in_the_output",
			before: func(s *story) { s.say("%s", s.world.tokens()[0].Reveal()[5:40]) },
			plays:  []int{1},
			want:   "the output above contains tokens: ",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s, err := newStory(&out)
			require.NoError(t, err)
			defer s.close()
			honest := s.server.Handler
			s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.lies != nil {
					if status := test.lies(r, s.app.checker.Snapshot()); status != 0 {
						w.WriteHeader(status)
						return
					}
				}
				honest.ServeHTTP(w, r)
			})
			if test.before != nil {
				test.before(s)
			}
			steps := slices.DeleteFunc(s.steps(), func(x step) bool { return !slices.Contains(test.plays, x.number) })
			require.Len(t, steps, len(test.plays))
			err = s.tell(t.Context(), steps)
			require.Error(t, err, out.String())
			assert.True(t, strings.HasPrefix(err.Error(), test.want), err.Error())
		})
	}
}

func only(when bool, status int) int {
	if when {
		return status
	}
	return 0
}
