package health_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// fleetFault is a way in which the store misbehaves.
type fleetFault uint8

const (
	storeWorks       fleetFault = iota
	storeDown                   // every operation fails at once
	storeSlow                   // in time, but only just
	storeHangs                  // until the context ends
	storeDeaf                   // for 20 s, whatever the context says
	storeLate                   // executes after the client has given up
	storeMute                   // executes, and the reply is lost
	storeFlaps                  // every other operation fails
	storeReadOnly               // Put fails, and no lease is granted
	storeBusy                   // says that a lease is held, and grants none
	storeCorrupts               // flips a bit of every entry
	storeMiscounts              // 0 replicas, or more than there can be
	storeReplays                // returns the first entries it got, as if they were new
	storeStandsStill            // returns the current entries with the age 0
	fleetFaults
)

var fleetFaultNames = [fleetFaults]string{
	"works", "is down", "is slow", "hangs", "is deaf", "executes late", "loses replies", "flaps", "is read-only",
	"is always busy", "corrupts entries", "miscounts", "replays", "stands still",
}

// lies reports whether the store says what a store with a clock and the last entries would not.
func (f fleetFault) lies() bool { return f == storeReplays || f == storeStandsStill }

var errFleetStore = errors.New("model: the store is broken")

// fleetEntry is a stored answer.
type fleetEntry struct {
	fence uint64
	at    time.Time // when its lease was granted
	pause time.Duration
	data  []byte
}

// fleetKey is what the store has under one key.
type fleetKey struct {
	verdict, trouble fleetEntry
	lease            uint64
	leaseAt, leaseTo time.Time
	seen             map[string]time.Time // replicas
}

// fleetStore is a shared.Store with faults. It keeps the contract while it works.
type fleetStore struct {
	limit time.Duration // of an operation
	crowd int           // replicas that are counted, and do nothing
	trace func(format string, args ...any)

	mu       sync.Mutex
	fault    fleetFault
	odd      bool // every other operation
	keys     map[string]fleetKey
	before   map[string]fleetKey // at the last checkpoint, for a failover
	captured map[string][2]fleetEntry
	fence    uint64
	looks    map[string]int // by replica, since they were last counted
}

func newFleetStore(limit time.Duration) *fleetStore {
	return &fleetStore{
		limit: limit, keys: map[string]fleetKey{}, captured: map[string][2]fleetEntry{}, looks: map[string]int{},
	}
}

func (s *fleetStore) set(f fleetFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// lies reports whether the store lies.
func (s *fleetStore) lies() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault.lies()
}

// working reports whether there is no fault.
func (s *fleetStore) working() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault == storeWorks
}

// clear loses everything.
func (s *fleetStore) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
}

// checkpoint is what a later failover returns to.
func (s *fleetStore) checkpoint() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = maps.Clone(s.keys)
}

// failOver loses what was written since the last checkpoint.
func (s *fleetStore) failOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = maps.Clone(s.before)
	if s.keys == nil {
		s.keys = map[string]fleetKey{}
	}
}

// do executes an operation as the fault of the moment allows.
func (s *fleetStore) do(ctx context.Context, execute func(fleetFault)) error {
	s.mu.Lock()
	fault := s.fault
	s.odd = !s.odd
	odd := s.odd
	s.mu.Unlock()
	locked := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		execute(fault)
	}
	switch fault {
	case storeDown:
		return errFleetStore
	case storeSlow:
		time.Sleep(s.limit * 4 / 10)
		locked()
		time.Sleep(s.limit * 4 / 10)
		return ctx.Err()
	case storeHangs:
		<-ctx.Done()
		return ctx.Err()
	case storeDeaf:
		time.Sleep(20 * time.Second)
		return errFleetStore
	case storeLate:
		<-ctx.Done()
		time.AfterFunc(3*s.limit, locked)
		return ctx.Err()
	case storeMute:
		locked()
		return errFleetStore
	case storeFlaps:
		if odd {
			return errFleetStore
		}
	}
	locked()
	return nil
}

func (s *fleetStore) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	s.mu.Lock()
	s.looks[q.Replica]++
	s.mu.Unlock()
	var result shared.View // guarded by mu: it may be late
	err := s.do(ctx, func(f fleetFault) { result = s.look(f, key, q) })
	s.mu.Lock()
	v := result
	s.mu.Unlock()
	s.trace("look of %.4s: due %v, floor %d: lease %d, busy %v, verdict %d age %v, "+
		"trouble %d age %v pause %v, %v",
		q.Replica, q.Due, q.Floor, v.Lease, v.Busy, v.Verdict.Fence, v.Verdict.Age,
		v.Trouble.Fence, v.Trouble.Age, v.Trouble.Pause, err)
	if err != nil {
		return shared.View{}, err
	}
	return v, nil
}

func (s *fleetStore) look(fault fleetFault, key string, q shared.Query) shared.View {
	now, k := time.Now(), s.keys[key]
	if !now.Before(k.leaseTo) {
		k.lease = 0
	}
	k.seen = maps.Clone(k.seen) // checkpoints share it
	if k.seen == nil {
		k.seen = map[string]time.Time{}
	}
	k.seen[q.Replica] = now
	v := shared.View{Verdict: k.verdict.view(now), Trouble: k.trouble.view(now), Replicas: s.crowd}
	for _, at := range k.seen {
		if now.Sub(at) < 3*time.Minute {
			v.Replicas++
		}
	}
	due := v.Verdict.Fence == 0 || v.Verdict.Fence < q.Floor || v.Verdict.Age >= q.Due
	if v.Trouble.Fence > 0 && v.Trouble.Fence >= q.Floor {
		due = v.Trouble.Age >= v.Trouble.Pause
	}
	switch {
	case k.lease > 0:
		v.Busy = k.leaseTo.Sub(now)
	case q.Lease > 0 && due && fault != storeReadOnly && fault != storeBusy:
		s.fence = max(s.fence, q.Floor, uint64(now.UnixMicro())) + 1
		k.lease, k.leaseAt, k.leaseTo = s.fence, now, now.Add(q.Lease)
		v.Lease = s.fence
	}
	s.keys[key] = k
	switch fault {
	case storeBusy:
		v.Busy = q.Lease
	case storeCorrupts:
		v.Verdict.Data, v.Trouble.Data = flipped(v.Verdict.Data), flipped(v.Trouble.Data)
	case storeMiscounts:
		v.Replicas = 0
		if s.odd {
			v.Replicas = math.MaxInt
		}
	case storeReplays:
		v.Verdict, v.Trouble = s.captured[key][0].view(now), s.captured[key][1].view(now)
		v.Verdict.Age, v.Trouble.Age = 0, 0
	case storeStandsStill:
		v.Verdict.Age, v.Trouble.Age = 0, 0
	}
	return v
}

func (s *fleetStore) Put(ctx context.Context, key string, p shared.Answer) (bool, error) {
	var stored, readOnly bool // guarded by mu
	err := s.do(ctx, func(f fleetFault) {
		if readOnly = f == storeReadOnly; !readOnly {
			stored = s.put(key, p)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if readOnly {
		err = errFleetStore
	}
	return stored && err == nil, err
}

func (s *fleetStore) put(key string, p shared.Answer) bool {
	now, k := time.Now(), s.keys[key]
	if k.lease != p.Fence || !now.Before(k.leaseTo) {
		return false
	}
	e := fleetEntry{p.Fence, k.leaseAt, p.Pause, bytes.Clone(p.Data)}
	seen := s.captured[key]
	if p.Trouble {
		k.trouble = e
		if seen[1].fence == 0 {
			seen[1] = e
		}
	} else {
		k.verdict, k.trouble = e, fleetEntry{}
		if seen[0].fence == 0 {
			seen[0] = e
		}
	}
	s.captured[key] = seen
	k.lease = 0
	s.keys[key] = k
	return true
}

// view returns the entry as a reader gets it.
func (e fleetEntry) view(now time.Time) shared.Entry {
	if e.fence == 0 {
		return shared.Entry{}
	}
	return shared.Entry{Fence: e.fence, Age: now.Sub(e.at), Pause: e.pause, Data: bytes.Clone(e.data)}
}

func flipped(data []byte) []byte {
	if len(data) > 0 {
		data[len(data)/2] ^= 1
	}
	return data
}

// countLooks returns how many looks the busiest replica made since the last call.
func (s *fleetStore) countLooks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := 0
	for _, n := range s.looks {
		most = max(most, n)
	}
	clear(s.looks)
	return most
}
