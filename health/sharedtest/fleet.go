package sharedtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

const (
	// long is a time that does not end during a check, short is one that the check waits for.
	long  = time.Hour
	short = 60 * time.Millisecond

	// leaseTime is the length of a lease that does not end during a check.
	leaseTime = time.Minute

	// slack is how much too long a store may report an age, in addition to the time that its
	// calls take.
	slack = 10 * time.Millisecond
)

// fleet is a store with its test. Its methods fail the test if the store returns an error.
type fleet struct {
	t      *testing.T
	driver Driver
	key    string
	slept  time.Duration
}

func newFleet(t *testing.T, d Driver) *fleet {
	return &fleet{t: t, driver: d, key: newKey()}
}

// newKey returns a key like those of Checkers. Other keys in the same server do not matter.
func newKey() string { return "toloka:{" + rand.Text() + "-_}" }

func (f *fleet) sleep(d time.Duration) {
	if f.driver.Sleep != nil {
		f.driver.Sleep(d)
	} else {
		time.Sleep(d)
	}
	f.slept += d
}

func (f *fleet) look(q shared.Query) shared.View {
	f.t.Helper()
	if q.Replica == "" {
		q.Replica = "replica"
	}
	view, err := f.driver.Store.Look(f.t.Context(), f.key, q)
	if err != nil {
		f.t.Fatalf("Look: %v", err)
	}
	return view
}

// wanted is a query that is granted a lease if none is held and the platform may be asked.
func wanted() shared.Query { return shared.Query{Lease: leaseTime} }

// grant takes a lease.
func (f *fleet) grant(q shared.Query) uint64 {
	f.t.Helper()
	view := f.look(q)
	if view.Lease == 0 {
		f.t.Fatalf("no lease was granted: %+v", view)
	}
	if view.Busy != 0 {
		f.t.Errorf("Busy is %s for the replica that was granted the lease, want 0", view.Busy)
	}
	return view.Lease
}

// denied checks that no lease is granted, and returns the view.
func (f *fleet) denied(q shared.Query) shared.View {
	f.t.Helper()
	view := f.look(q)
	if view.Lease != 0 {
		f.t.Fatalf("a lease was granted: %+v", view)
	}
	return view
}

// put stores an answer under a lease that was asked to last leaseTime, unless p says otherwise, and
// checks whether it is stored.
func (f *fleet) put(p shared.Answer, want bool) {
	f.t.Helper()
	if p.Lease == 0 {
		p.Lease = leaseTime
	}
	stored, err := f.driver.Store.Put(f.t.Context(), f.key, p)
	if err != nil {
		f.t.Fatalf("Put: %v", err)
	}
	if stored != want {
		f.t.Fatalf("Put with fence %d returned %t, want %t", p.Fence, stored, want)
	}
}

// verdict takes a lease and stores a verdict under it.
func (f *fleet) verdict(data string) uint64 {
	f.t.Helper()
	fence := f.grant(wanted())
	f.put(shared.Answer{Fence: fence, Data: []byte(data)}, true)
	return fence
}

// trouble takes a lease and stores trouble under it.
func (f *fleet) trouble(data string, pause time.Duration) uint64 {
	f.t.Helper()
	fence := f.grant(wanted())
	f.put(shared.Answer{Fence: fence, Trouble: true, Pause: pause, Data: []byte(data)}, true)
	return fence
}

// want checks a stored entry, except for its age.
func (f *fleet) want(
	what string, got shared.Entry, fence uint64, pause time.Duration, data string,
) {
	f.t.Helper()
	if got.Fence != fence {
		f.t.Errorf("%s: fence %d, want %d", what, got.Fence, fence)
	}
	if got.Pause < pause || got.Pause > pause+time.Millisecond {
		f.t.Errorf("%s: pause %s, want %s", what, got.Pause, pause)
	}
	if !bytes.Equal(got.Data, []byte(data)) {
		f.t.Errorf("%s: %d bytes of data %.50q, want %d bytes %.50q",
			what, len(got.Data), got.Data, len(data), data)
	}
}

// none checks that an entry is absent.
func (f *fleet) none(what string, got shared.Entry) {
	f.t.Helper()
	if got.Fence != 0 || got.Age != 0 || got.Pause != 0 || len(got.Data) != 0 {
		f.t.Errorf("%s: %+v, want none", what, got)
	}
}

// stopwatch measures the time of the store between its start and a look.
type stopwatch struct {
	began time.Time
	slept time.Duration
}

func (f *fleet) stopwatch() stopwatch { return stopwatch{time.Now(), f.slept} }

// age checks the age of an entry whose lease was granted right after w was started.
func (f *fleet) age(what string, got time.Duration, w stopwatch) {
	f.t.Helper()
	least := f.slept - w.slept
	most := max(least, time.Since(w.began)) + slack
	if got < least {
		f.t.Errorf("%s: age %s is too short, it is at least %s", what, got, least)
	}
	if got > most {
		f.t.Errorf("%s: age %s is too long, it is at most %s", what, got, most)
	}
}

// ended returns a context that has ended.
func ended(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}
