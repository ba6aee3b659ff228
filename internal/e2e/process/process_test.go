package process_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReserve(t *testing.T) {
	t.Run("refuses_and_listens", func(t *testing.T) {
		address := process.Reserve(t)
		for range 3 {
			_, err := net.Dial("tcp", address)
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			listener, err := net.Listen("tcp", address)
			require.NoError(t, err)
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			require.NoError(t, listener.Close())
		}
	})
	t.Run("not_given_to_others", func(t *testing.T) {
		address := process.Reserve(t)
		for range 100 {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			require.NoError(t, listener.Close())
			assert.NotEqual(t, address, listener.Addr().String())
			assert.NotEqual(t, address, process.Reserve(t))
		}
	})
	t.Run("free_after_the_test", func(t *testing.T) {
		var address string
		t.Run("reserve", func(t *testing.T) { address = process.Reserve(t) })
		listener, err := net.Listen("tcp", address)
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	})
}

func TestProcess(t *testing.T) {
	shell := process.Find(t, "sh")
	t.Run("environment", func(t *testing.T) {
		t.Setenv("CANARY", "1")
		p := process.Start(t, shell, []string{"A=b"}, "-c", `echo "[$A][$CANARY]"; echo err >&2; exit 3`)
		assert.Equal(t, 3, p.Wait(t))
		assert.Equal(t, "[b][]\nerr\n", p.Output())
		assert.False(t, p.Running())
	})
	t.Run("signal", func(t *testing.T) {
		const script = `trap "exit 7" TERM; echo ready; while :; do sleep 0.01; done`
		p := process.Start(t, shell, nil, "-c", script)
		process.Await(t, "the trap", func() error {
			if !strings.Contains(p.Output(), "ready") {
				return errors.New("not set yet")
			}
			return nil
		})
		assert.True(t, p.Running())
		p.Signal(t, syscall.SIGTERM)
		assert.Equal(t, 7, p.Wait(t))
	})
	t.Run("killed_when_the_test_ends", func(t *testing.T) {
		var p *process.Process
		t.Run("start", func(t *testing.T) { p = process.Start(t, shell, nil, "-c", "exec sleep 1000") })
		assert.False(t, p.Running())
		assert.Equal(t, -1, p.Wait(t))
	})
}

func TestAwait(t *testing.T) {
	t.Run("until_no_error", func(t *testing.T) {
		looks := 0
		process.Await(t, "the third look", func() error {
			if looks++; looks < 3 {
				return fmt.Errorf("look %d", looks)
			}
			return nil
		})
		assert.Equal(t, 3, looks)
	})
}
