//go:build unix

package main

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

// TestABrokenStory breaks the service in one place and looks for the step that notices.
func TestABrokenStory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// lies reports whether the service is to answer with a status that is not its own, and which.
		lies func(r *http.Request, snap *health.Snapshot) int
		// before is done to the story before it is told.
		before func(s *story)
		want   string
	}{
		{
			name:   "a token that is refused from the start",
			before: func(s *story) { s.world.deleteToken() },
			want:   "step 1 (The service starts, and its token is verified) did not come out as told: health: rejected: ",
		},
		{
			name: "a gate that is open before the token is verified",
			lies: func(r *http.Request, snap *health.Snapshot) int {
				return only(r.URL.Path == "/account" && snap.Reason() == health.ReasonStarting, http.StatusOK)
			},
			want: "step 1 (The service starts, and its token is verified) did not come out as told: GET /account: the status is 200, not 503",
		},
		{
			name: "a poll that fails",
			lies: func() func(r *http.Request, snap *health.Snapshot) int {
				var n atomic.Int64
				return func(r *http.Request, _ *health.Snapshot) int {
					return only(r.URL.Path == "/healthz" && n.Add(1) == 100, http.StatusInternalServerError)
				}
			}(),
			want: "step 2 (A load balancer polls) did not come out as told: 1 of ",
		},
		{
			name: "a health endpoint that fails in an outage",
			lies: func(r *http.Request, snap *health.Snapshot) int {
				return only(r.URL.Path == "/healthz" && snap.Reason() == health.ReasonStale, http.StatusServiceUnavailable)
			},
			want: "step 3 (The platform goes down) did not come out as told: GET /healthz: the status is 503, not 200",
		},
		{
			name: "a request that fails in a rotation",
			lies: func() func(r *http.Request, snap *health.Snapshot) int {
				var n atomic.Int64
				return func(r *http.Request, _ *health.Snapshot) int {
					return only(r.URL.Path == "/balance" && n.Add(1) == 100, http.StatusBadGateway)
				}
			}(),
			want: "step 5 (Tokens are replaced under load) did not come out as told: 1 of ",
		},
		{
			name: "a gate that does not close",
			lies: func(r *http.Request, snap *health.Snapshot) int {
				return only(r.URL.Path == "/account" && snap.Reason() == health.ReasonRejected, http.StatusOK)
			},
			want: "step 6 (The token is deleted on the platform) did not come out as told: GET /account: the status is 200, not 503",
		},
		{
			name: "a service that does not say that it drains",
			lies: func(r *http.Request, snap *health.Snapshot) int {
				return only(r.URL.Path == "/readyz" && snap.Draining(), http.StatusOK)
			},
			want: "step 8 (The service drains and exits) did not come out as told: GET /readyz: the status is 200, not 503",
		},
		{
			name:   "a token on the terminal",
			before: func(s *story) { s.say("%s", s.world.tokens()[0].Reveal()[5:40]) },
			want:   "the output above shows tokens: ",
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
			err = s.tell(t.Context())
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
