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

func TestClassString(t *testing.T) {
	words := map[requester.Class]string{
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
	for class, want := range words {
		assert.Equal(t, want, class.String())
	}
}

func TestClassOf(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want requester.Class
	}{
		{"no error is a verification", nil, requester.Verified},
		{"an error says its own class", classed{requester.NotAsked}, requester.NotAsked},
		{"a wrapped error too", fmt.Errorf("startup: %w", &requester.APIError{StatusCode: 401}), requester.Rejected},
		{"of a joined error the first that knows decides", errors.Join(errors.New("x"), &requester.TransportError{}, classed{requester.Rejected}), requester.Unavailable},
		{"an error of nobody is unavailable", errors.New("x"), requester.Unavailable},
		{"a bare context error is unavailable: it may be anybody's", context.Canceled, requester.Unavailable},
		{"a class that does not exist is unavailable", classed{0}, requester.Unavailable},
		{"a class beyond the last is unavailable", classed{requester.Cancelled + 1}, requester.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, requester.ClassOf(tt.err))
		})
	}
}
