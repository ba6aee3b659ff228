package describe_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/internal/describe"
)

type described struct{}

func (described) Describe() string { return "keychain:toloka" }

func TestOf(t *testing.T) {
	assert.Equal(t, "keychain:toloka", describe.Of(described{}))
	assert.Equal(t, "int", describe.Of(5))
	assert.Equal(t, "<nil>", describe.Of(nil))
}
