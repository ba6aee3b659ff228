package sharedtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

func empty(f *fleet) {
	for range 2 {
		view := f.denied(shared.Query{Due: long})
		f.none("verdict", view.Verdict)
		f.none("trouble", view.Trouble)
		if view.Busy != 0 || view.Replicas != 1 {
			f.t.Errorf("busy for %s, %d replicas; want 0 and 1", view.Busy, view.Replicas)
		}
	}
}

func leaseGrantedOnce(f *fleet) {
	f.grant(wanted())
	for _, replica := range []string{"other", "replica"} {
		view := f.denied(shared.Query{Replica: replica, Lease: long})
		if view.Busy <= 0 || view.Busy > leaseTime {
			f.t.Errorf("busy for %s, want more than 0 and at most %s", view.Busy, leaseTime)
		}
	}
	if view := f.denied(shared.Query{}); view.Busy == 0 {
		f.t.Error("a replica that wants no lease is not told that one is held")
	}
	f.sleep(short)
	if view := f.denied(wanted()); view.Busy > leaseTime-short+time.Millisecond {
		f.t.Errorf("busy for %s after %s of %s", view.Busy, short, leaseTime)
	}
}

func leaseOneOf64(f *fleet) {
	for range 5 {
		f.key = newKey()
		var granted, busy atomic.Int32
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range 64 {
			all.Go(func() {
				<-start
				view, err := f.driver.Store.Look(f.t.Context(), f.key,
					shared.Query{Replica: fmt.Sprint(i), Lease: leaseTime})
				switch {
				case err != nil:
					f.t.Errorf("Look: %v", err)
				case view.Lease != 0:
					granted.Add(1)
				case view.Busy != 0:
					busy.Add(1)
				}
			})
		}
		close(start)
		all.Wait()
		if granted.Load() != 1 || busy.Load() != 63 {
			f.t.Errorf("%d of 64 replicas were granted the lease and %d were told that it is held",
				granted.Load(), busy.Load())
		}
	}
}

func leaseNotWanted(f *fleet) {
	f.denied(shared.Query{})
	if view := f.denied(shared.Query{}); view.Busy != 0 {
		f.t.Errorf("busy for %s, but no lease was granted", view.Busy)
	}
}

func leaseEnds(f *fleet) {
	first := f.grant(shared.Query{Lease: short})
	f.sleep(short + 2*time.Millisecond)
	if view := f.denied(shared.Query{}); view.Busy != 0 {
		f.t.Errorf("busy for %s after the end of the lease", view.Busy)
	}
	if second := f.grant(wanted()); second <= first {
		f.t.Errorf("fence %d after %d", second, first)
	}
}

func leaseLasts(f *fleet) {
	f.grant(wanted())
	f.sleep(leaseTime - time.Second)
	f.denied(wanted())
	f.sleep(time.Second + 2*time.Millisecond)
	f.grant(wanted())
}

func leaseEndsWithAnswer(f *fleet) {
	for _, trouble := range []bool{true, false} {
		fence := f.grant(wanted())
		f.put(shared.Answer{Fence: fence, Trouble: trouble, Data: []byte("x")}, true)
		if view := f.denied(shared.Query{}); view.Busy != 0 {
			f.t.Errorf("busy for %s after the answer (trouble: %t)", view.Busy, trouble)
		}
	}
}
