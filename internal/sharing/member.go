package sharing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/foreign"
)

// MostLook is how long an operation of the store may take at most.
const MostLook = 250 * time.Millisecond

// maxReplicas is the highest number of replicas that is believed.
const maxReplicas = 1 << 20

// Lease returns how long a lease lasts for a client with this timeout: until its call has ended
// and its answer is stored, with some time to spare.
func Lease(timeout time.Duration) time.Duration { return timeout + 2*time.Second + MostLook }

// Member is one replica's access to the store. It is safe for concurrent use.
type Member struct {
	// ID identifies the replica. It is random.
	ID string

	store shared.Store
	calls *foreign.Calls
	limit time.Duration
	stats Stats
}

// Stats count what a member has done.
type Stats struct {
	Taken atomic.Uint64 // answers of other replicas that were used

	errors, opened, rejected, leases, given atomic.Uint64
	away                                    atomic.Bool
	replicas                                atomic.Int64
}

// Snapshot returns the current numbers.
func (s *Stats) Snapshot() shared.Stats {
	mode := "active"
	if s.away.Load() {
		mode = "away"
	}
	return shared.Stats{
		Taken: s.Taken.Load(), Given: s.given.Load(), Leases: s.leases.Load(),
		Errors: s.errors.Load(),
		Opened: s.opened.Load(), Rejected: s.rejected.Load(), Mode: mode,
		Replicas: max(int(s.replicas.Load()), 1),
	}
}

// NewMember returns a member that gives an operation of the store as much time as limit says.
func NewMember(store shared.Store, limit time.Duration) *Member {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never returns an error, as documented
	return &Member{
		ID:    hex.EncodeToString(id[:]),
		store: store,
		calls: foreign.NewCalls("the shared store", "; it ignores its context"),
		limit: limit,
	}
}

// Stats returns the counters.
func (m *Member) Stats() *Stats { return &m.stats }

// View is what the store knows about a token. An entry that cannot be opened is as if it were
// absent.
type View struct {
	Verdict, Trouble *Answer // nil if absent
	Lease            uint64
	Busy             time.Duration
	Replicas         int
	// Rejected says why an entry could not be opened, nil if all could.
	Rejected error
}

// Look asks the store. It returns within the limit, whatever the store does.
func (m *Member) Look(ctx context.Context, k *Keys, q shared.Query) (View, error) {
	q.Replica = m.ID
	stored, err := do(ctx, m, func(ctx context.Context) (shared.View, error) {
		return m.store.Look(ctx, k.Name, q)
	})
	m.stats.away.Store(err != nil)
	if err != nil {
		return View{}, err
	}
	replicas := max(1, min(stored.Replicas, maxReplicas))
	m.stats.replicas.Store(int64(replicas))
	v := View{Lease: stored.Lease, Busy: stored.Busy, Replicas: replicas}
	if v.Lease > shared.MaxFence || q.Lease == 0 {
		v.Lease = 0
	}
	if v.Lease > 0 {
		m.stats.leases.Add(1)
	}
	now := time.Now()
	v.Verdict = m.open(k, verdictSlot, stored.Verdict, now, &v.Rejected)
	v.Trouble = m.open(k, troubleSlot, stored.Trouble, now, &v.Rejected)
	return v, nil
}

func (m *Member) open(k *Keys, s slot, e shared.Entry, now time.Time, rejected *error) *Answer {
	a, err := open(k, s, e, now)
	switch {
	case err != nil:
		m.stats.rejected.Add(1)
		*rejected = err
	case a != nil:
		m.stats.opened.Add(1)
	}
	return a
}

// Put stores an answer that this replica got under its lease.
func (m *Member) Put(ctx context.Context, k *Keys, a Answer, lease time.Duration) error {
	a.Replica = m.ID
	stored, err := do(ctx, m, func(ctx context.Context) (bool, error) {
		data, err := a.seal(k, time.Now()) // here, because the text of an error may be foreign code
		if err != nil {
			return false, err
		}
		return m.store.Put(ctx, k.Name, shared.Answer{
			Fence: a.Fence, Lease: lease, Trouble: a.Trouble(), Pause: a.Pause, Data: data,
		})
	})
	if stored {
		m.stats.given.Add(1)
	}
	return err
}

// do calls the store, which is foreign code. One that respects its context says itself what takes
// long.
func do[T any](ctx context.Context, m *Member, f func(context.Context) (T, error)) (T, error) {
	v, err := foreign.Do(ctx, m.calls, m.limit, func() (T, error) {
		ctx, cancel := context.WithTimeout(ctx, m.limit*9/10)
		defer cancel()
		return f(ctx)
	})
	if err != nil {
		m.stats.errors.Add(1)
		err = fmt.Errorf("health: the shared store: %w", err)
	}
	return v, err
}
