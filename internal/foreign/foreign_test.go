package foreign

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = time.Second

func newCalls() *Calls { return NewCalls("the store", "; it ignores its context") }

func TestDo(t *testing.T) {
	no := errors.New("no")
	for name, tt := range map[string]struct {
		f    func() (int, error)
		want int
		err  string
		is   error
		took time.Duration
	}{
		"value": {func() (int, error) { return 5, nil }, 5, "", nil, 0},
		"error": {func() (int, error) { return 5, no }, 5, "no", no, 0},
		"in_time": {
			func() (int, error) { time.Sleep(limit - 1); return 5, nil }, 5, "", nil, limit - 1,
		},
		"panic": {
			func() (int, error) { panic("a secret") }, 0, "the store panicked with a string", nil, 0,
		},
		"panic_with_nil": {
			func() (int, error) { panic(nil) }, 0, "the store panicked with a *runtime.PanicNilError", nil, 0,
		},
		"goexit": {
			func() (int, error) { runtime.Goexit(); return 5, nil }, 0, "the store ended its goroutine", ErrGoexit, 0,
		},
		"hang": {
			func() (int, error) { time.Sleep(time.Hour); return 5, nil }, 0,
			"the store did not return in time; it ignores its context", ErrHung, limit,
		},
		"late_panic": {
			func() (int, error) { time.Sleep(time.Hour); panic("a secret") }, 0,
			"the store did not return in time; it ignores its context", ErrHung, limit,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, begin := newCalls(), time.Now()
				got, err := Do(context.Background(), c, limit, tt.f)
				assert.Equal(t, tt.want, got)
				assert.Equal(t, tt.took, time.Since(begin))
				if tt.err == "" {
					assert.NoError(t, err)
				} else {
					assert.EqualError(t, err, tt.err)
				}
				if tt.is != nil {
					assert.ErrorIs(t, err, tt.is)
				}
				time.Sleep(2 * time.Hour)
				assert.Zero(t, c.Abandoned())
			})
		})
	}
}

func TestDoCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls()
		var called atomic.Int32
		ctx, cancel := context.WithTimeout(context.Background(), limit/2)
		defer cancel()
		f := func() (int, error) { called.Add(1); time.Sleep(limit); return 5, nil }
		_, err := Do(ctx, c, limit, f)
		assert.Equal(t, ErrCancelled, err)
		assert.Equal(t, 1, c.Abandoned())
		_, err = Do(ctx, c, limit, f)
		assert.Equal(t, ErrCancelled, err)
		assert.EqualValues(t, 1, called.Load(), "not called with an ended context")
		time.Sleep(limit)
		synctest.Wait()
		assert.Zero(t, c.Abandoned())
	})
}

func TestDoRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, release := newCalls(), make(chan struct{})
		var called atomic.Int32
		f := func() (int, error) { called.Add(1); <-release; return 5, nil }
		for range MaxAbandoned {
			assert.NoError(t, c.Refuse(context.Background()))
			_, err := Do(context.Background(), c, limit, f)
			assert.ErrorIs(t, err, ErrHung)
		}
		begin := time.Now()
		_, err := Do(context.Background(), c, limit, f)
		assert.EqualError(t, err, "the store has not returned from earlier calls; it ignores its context")
		assert.ErrorIs(t, err, ErrAllHang)
		assert.Zero(t, time.Since(begin))
		assert.EqualValues(t, MaxAbandoned, called.Load())
		close(release)
		synctest.Wait()
		assert.Zero(t, c.Abandoned())
		got, err := Do(context.Background(), c, limit, f)
		assert.NoError(t, err)
		assert.Equal(t, 5, got)
	})
}

// The count of abandoned calls is right, whether the call or its limit ends first.
func TestDoRaces(t *testing.T) {
	c := newCalls()
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			go cancel()
			got, err := Do(ctx, c, time.Minute, func() (int, error) { runtime.Gosched(); return 5, nil })
			assert.Equal(t, got == 5, err == nil)
		})
	}
	all.Wait()
	assert.Eventually(t, func() bool { return c.Abandoned() == 0 }, 5*time.Second, time.Millisecond)
}
