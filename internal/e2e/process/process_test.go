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

func TestAReservedAddress(t *testing.T) {
	t.Run("refuses connections while nobody listens, and can be listened on again and again", func(t *testing.T) {
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
	t.Run("is not the port of anything else that wants any port", func(t *testing.T) {
		address := process.Reserve(t)
		for range 100 {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			require.NoError(t, listener.Close())
			assert.NotEqual(t, address, listener.Addr().String())
			assert.NotEqual(t, address, process.Reserve(t))
		}
	})
	t.Run("is free again after the test", func(t *testing.T) {
		var address string
		t.Run("that", func(t *testing.T) { address = process.Reserve(t) })
		listener, err := net.Listen("tcp", address)
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	})
}

func TestAProcess(t *testing.T) {
	shell := process.Find(t, "sh")
	t.Run("gets its environment and nothing else", func(t *testing.T) {
		t.Setenv("CANARY", "1")
		p := process.Start(t, shell, []string{"A=b"}, "-c", `echo "[$A][$CANARY]"; echo err >&2; exit 3`)
		assert.Equal(t, 3, p.Wait(t))
		assert.Equal(t, "[b][]\nerr\n", p.Output())
		assert.False(t, p.Running())
	})
	t.Run("is told by a signal", func(t *testing.T) {
		p := process.Start(t, shell, nil, "-c", `trap "exit 7" TERM; echo ready; while :; do sleep 0.01; done`)
		process.Await(t, "the trap", func() error {
			if !strings.Contains(p.Output(), "ready") {
				return errors.New("it is not set")
			}
			return nil
		})
		assert.True(t, p.Running())
		p.Signal(t, syscall.SIGTERM)
		assert.Equal(t, 7, p.Wait(t))
	})
	t.Run("is killed when the test ends", func(t *testing.T) {
		var p *process.Process
		t.Run("that", func(t *testing.T) { p = process.Start(t, shell, nil, "-c", "exec sleep 1000") })
		assert.False(t, p.Running())
		assert.Equal(t, -1, p.Wait(t))
	})
}

func TestAwait(t *testing.T) {
	t.Run("looks until there is no error", func(t *testing.T) {
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
