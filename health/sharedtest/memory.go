package sharedtest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// replicaWindow is how long one generation of replicas is filled. The last two are counted.
const replicaWindow = 3 * time.Minute

// Memory is a store in the memory of one process, for tests. Give the same Memory to all Checkers
// of a fleet. It measures time with time.Now and works in a testing/synctest bubble. It is safe for
// concurrent use. Unlike a real store it counts replicas exactly, and returns an error for a Put
// whose Lease is not that of the Look.
type Memory struct {
	mu     sync.Mutex
	err    error
	tokens map[string]*token
	fences map[string]uint64 // the highest one of each key
}

var _ shared.Store = (*Memory)(nil)

// token is what Memory keeps under one key.
type token struct {
	verdict, trouble entry
	lease            lease
	window           int64 // number of the replicaWindow that current belongs to
	current, last    map[string]struct{}
}

// entry is a stored answer, absent if its fence is 0.
type entry struct {
	fence   uint64
	granted time.Time // when its lease was granted
	pause   time.Duration
	data    []byte
}

type lease struct {
	fence   uint64
	granted time.Time
	lasts   time.Duration
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{tokens: make(map[string]*token), fences: make(map[string]uint64)}
}

// Clear removes everything that is stored, as a Redis server does that restarts without a disk.
func (m *Memory) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.tokens) // not m.fences: they grow also after a loss
}

// SetError makes Look and Put fail with err, as if the store was away. Nil ends that.
func (m *Memory) SetError(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Look implements [shared.Store].
func (m *Memory) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail(ctx); err != nil {
		return shared.View{}, err
	}
	now := time.Now()
	t := m.token(key)
	t.expire(now)
	view := shared.View{
		Verdict:  t.verdict.view(now),
		Trouble:  t.trouble.view(now),
		Replicas: t.count(q.Replica, now),
	}
	if t.lease.fence != 0 {
		view.Busy = t.lease.lasts - now.Sub(t.lease.granted)
		return view, nil
	}
	highest := max(m.fences[key], q.Floor)
	if q.Lease > 0 && highest < shared.MaxFence && due(view, q) {
		view.Lease = highest + 1
		m.fences[key] = view.Lease
		t.lease = lease{fence: view.Lease, granted: now, lasts: q.Lease}
	}
	return view, nil
}

// Put implements [shared.Store].
func (m *Memory) Put(ctx context.Context, key string, p shared.Answer) (bool, error) {
	if len(p.Data) > shared.MaxData {
		return false, fmt.Errorf("sharedtest: %d bytes of data, above the limit of %d",
			len(p.Data), shared.MaxData)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail(ctx); err != nil {
		return false, err
	}
	t := m.token(key)
	t.expire(time.Now())
	if p.Fence == 0 || p.Fence != t.lease.fence {
		return false, nil
	}
	if p.Lease != t.lease.lasts {
		return false, fmt.Errorf(
			"sharedtest: Put says that its lease lasts %s, but Look asked for %s",
			p.Lease, t.lease.lasts)
	}
	answer := entry{fence: p.Fence, granted: t.lease.granted, data: bytes.Clone(p.Data)}
	if p.Trouble {
		answer.pause = p.Pause
		t.trouble = answer
	} else {
		t.verdict, t.trouble = answer, entry{}
	}
	t.lease = lease{}
	return true, nil
}

func (m *Memory) fail(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.err
}

func (m *Memory) token(key string) *token {
	t := m.tokens[key]
	if t == nil {
		t = &token{}
		m.tokens[key] = t
	}
	return t
}

// due reports whether the platform must be asked.
func due(v shared.View, q shared.Query) bool {
	if v.Trouble.Fence != 0 && v.Trouble.Fence >= q.Floor {
		return v.Trouble.Age >= v.Trouble.Pause
	}
	return v.Verdict.Fence == 0 || v.Verdict.Fence < q.Floor || v.Verdict.Age >= q.Due
}

// expire removes what has ended.
func (t *token) expire(now time.Time) {
	if now.Sub(t.verdict.granted) >= shared.Retention {
		t.verdict = entry{}
	}
	if now.Sub(t.trouble.granted) >= shared.Retention {
		t.trouble = entry{}
	}
	if now.Sub(t.lease.granted) >= t.lease.lasts {
		t.lease = lease{}
	}
}

// count counts the replica and returns the number of all.
func (t *token) count(replica string, now time.Time) int {
	window := now.UnixMilli() / replicaWindow.Milliseconds()
	if window != t.window || t.current == nil {
		t.last = nil
		if window == t.window+1 {
			t.last = t.current
		}
		t.window, t.current = window, make(map[string]struct{})
	}
	t.current[replica] = struct{}{}
	return max(len(t.current), len(t.last))
}

func (e entry) view(now time.Time) shared.Entry {
	if e.fence == 0 {
		return shared.Entry{}
	}
	return shared.Entry{
		Fence: e.fence,
		Age:   now.Sub(e.granted),
		Pause: e.pause,
		Data:  bytes.Clone(e.data),
	}
}
