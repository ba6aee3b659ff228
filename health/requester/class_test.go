package requester_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

type classed struct{ class requester.Class }

func (classed) Error() string            { return "classed" }
func (c classed) Class() requester.Class { return c.class }

func TestClass_String(t *testing.T) {
	names := map[requester.Class]string{
		0:                     "unknown",
		requester.Verified:    "verified",
		requester.Rejected:    "rejected",
		requester.RateLimited: "rate limited",
		requester.Unavailable: "unavailable",
		requester.Malformed:   "malformed",
		requester.Misdirected: "misdirected",
		requester.NotAsked:    "not asked",
		requester.Cancelled:   "cancelled",
		99:                    "unknown",
		-1:                    "unknown",
	}
	for class, want := range names {
		assert.Equal(t, want, class.String())
	}
}

func TestClassOf(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want requester.Class
	}{
		{"nil", nil, requester.Verified},
		{"method Class", classed{requester.NotAsked}, requester.NotAsked},
		{"wrapped", fmt.Errorf("startup: %w", &requester.APIError{StatusCode: 401}), requester.Rejected},
		{"joined", errors.Join(errors.New("x"), &requester.TransportError{}, classed{requester.Rejected}),
			requester.Unavailable},
		{"unknown error", errors.New("x"), requester.Unavailable},
		{"context error", context.Canceled, requester.Unavailable},
		{"zero class", classed{0}, requester.Unavailable},
		{"class beyond the last", classed{requester.Cancelled + 1}, requester.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, requester.ClassOf(tt.err))
		})
	}
}
