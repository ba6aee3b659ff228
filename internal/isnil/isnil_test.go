package isnil_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValue(t *testing.T) {
	tests := []struct {
		name string
		v    any
		want bool
	}{
		{"nothing", nil, true},
		{"a nil pointer", (*int)(nil), true},
		{"a nil func", (func())(nil), true},
		{"a nil map", map[string]int(nil), true},
		{"a nil slice", []int(nil), true},
		{"a nil channel", (chan int)(nil), true},
		{"a pointer", new(int), false},
		{"a func", func() {}, false},
		{"a struct", struct{}{}, false},
		{"a zero", 0, false},
		{"an empty string", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, isnil.Value(tt.v)) })
	}
}
