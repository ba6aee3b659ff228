package middleware_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestTheWorstIsSpokenOf(t *testing.T) {
	named := func(name string, reason health.Reason) *checker {
		return newChecker(health.State{Name: name, Reasons: health.ReasonsOf(reason)})
	}
	tests := map[string]struct {
		checkers [2]*checker
		want     string
	}{
		"the first of two that fail":             {[2]*checker{named("a", health.ReasonRejected), named("b", health.ReasonUnreachable)}, "a: the platform refuses the token; "},
		"the first of two that warn":             {[2]*checker{named("a", health.ReasonLowBalance), named("b", health.ReasonStale)}, "a: the account's balance is low; "},
		"the one that fails, not one that warns": {[2]*checker{named("a", health.ReasonStale), named("b", health.ReasonRejected)}, "b: the platform refuses the token; "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			endpoint := middleware.NewHealth(tt.checkers[0], middleware.WithCheckers(tt.checkers[1]), everybody)
			var document struct{ Output string }
			require.NoError(t, json.Unmarshal(ask(endpoint, http.MethodGet, "/?verbose").Body.Bytes(), &document))
			assert.Contains(t, document.Output, tt.want)
		})
	}
}
