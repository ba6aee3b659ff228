package cputime_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/benchmarks/cputime"
)

func TestOf(t *testing.T) {
	t.Run("work_and_not_waiting", func(t *testing.T) {
		begin, ok := cputime.Of(0)
		if runtime.GOOS != "linux" {
			assert.False(t, ok)
			return
		}
		require.True(t, ok)
		wait := time.NewTimer(50 * time.Millisecond)
		<-wait.C
		waited, _ := cputime.Of(0)
		assert.Less(t, waited-begin, 40*time.Millisecond)
		for {
			worked, _ := cputime.Of(0)
			if worked-waited > 10*time.Millisecond {
				break
			}
		}
	})
	t.Run("own_process_id", func(t *testing.T) {
		own, ok := cputime.Of(0)
		byNumber, okByNumber := cputime.Of(os.Getpid())
		assert.Equal(t, ok, okByNumber)
		assert.InDelta(t, own, byNumber, float64(100*time.Millisecond))
	})
	t.Run("no_such_process", func(t *testing.T) {
		_, ok := cputime.Of(1<<22 + 1) // more than the maximum of Linux
		assert.False(t, ok)
	})
}
