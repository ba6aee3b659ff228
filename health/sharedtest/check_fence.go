package sharedtest

import (
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

func fencesGrow(f *fleet) {
	last := uint64(0)
	for i := range 20 {
		fence := f.grant(wanted())
		if fence <= last {
			f.t.Fatalf("fence %d after %d", fence, last)
		}
		f.put(shared.Answer{Fence: fence, Trouble: i%3 == 0}, true)
		last = fence
	}
}

func fencesGrowWithoutAnswers(f *fleet) {
	last := uint64(0)
	for range 5 {
		fence := f.grant(shared.Query{Lease: time.Millisecond})
		if fence <= last {
			f.t.Fatalf("fence %d after %d", fence, last)
		}
		last = fence
		f.sleep(3 * time.Millisecond)
	}
}

func fenceAboveFloor(f *fleet) {
	for _, floor := range []uint64{1, 1 << 32, 1 << 52, 1<<52 + 1, shared.MaxFence - 10} {
		fence := f.grant(shared.Query{Lease: leaseTime, Floor: floor})
		if fence <= floor || fence > shared.MaxFence {
			f.t.Fatalf("fence %d with floor %d", fence, floor)
		}
		f.put(shared.Answer{Fence: fence}, true)
		f.want("verdict", f.denied(shared.Query{}).Verdict, fence, 0, "")
		// The next fence is higher for a replica that has seen none, too.
		next := f.grant(wanted())
		if next <= fence {
			f.t.Fatalf("fence %d after %d", next, fence)
		}
		f.put(shared.Answer{Fence: next}, true)
	}
}

func fenceAtMostMax(f *fleet) {
	fence := f.grant(shared.Query{Lease: leaseTime, Floor: shared.MaxFence - 1})
	if fence != shared.MaxFence {
		f.t.Fatalf("fence %d, want %d", fence, uint64(shared.MaxFence))
	}
	f.put(shared.Answer{Fence: fence, Data: []byte("last")}, true)
	f.want("verdict", f.denied(wanted()).Verdict, fence, 0, "last")
	for _, floor := range []uint64{shared.MaxFence, shared.MaxFence + 1, 1<<64 - 1} {
		f.key = newKey()
		f.denied(shared.Query{Lease: leaseTime, Floor: floor})
		f.grant(wanted()) // nothing is held after it
	}
}

func putWithoutLease(f *fleet) {
	for _, fence := range []uint64{0, 1, shared.MaxFence} {
		f.put(shared.Answer{Fence: fence, Data: []byte("x")}, false)
		f.put(shared.Answer{Fence: fence, Trouble: true, Data: []byte("x")}, false)
	}
	view := f.denied(shared.Query{})
	f.none("verdict", view.Verdict)
	f.none("trouble", view.Trouble)
}

func putOtherFence(f *fleet) {
	fence := f.grant(wanted())
	for _, other := range []uint64{0, fence - 1, fence + 1} {
		f.put(shared.Answer{Fence: other, Data: []byte("x")}, false)
	}
	view := f.denied(wanted())
	f.none("verdict", view.Verdict)
	if view.Busy == 0 {
		f.t.Error("a Put with another fence ended the lease")
	}
	f.put(shared.Answer{Fence: fence, Data: []byte("x")}, true)
}

func putTwice(f *fleet) {
	fence := f.verdict("first")
	f.put(shared.Answer{Fence: fence, Data: []byte("second")}, false)
	f.put(shared.Answer{Fence: fence, Trouble: true, Data: []byte("second")}, false)
	view := f.denied(shared.Query{})
	f.want("verdict", view.Verdict, fence, 0, "first")
	f.none("trouble", view.Trouble)
}

func putAfterLease(f *fleet) {
	fence := f.grant(shared.Query{Lease: short})
	f.sleep(short + 2*time.Millisecond)
	f.put(shared.Answer{Fence: fence, Lease: short, Data: []byte("late")}, false)
	f.none("verdict", f.denied(shared.Query{}).Verdict)
}

func putAfterNextLease(f *fleet) {
	first := f.grant(shared.Query{Lease: short})
	f.sleep(short + 2*time.Millisecond)
	second := f.grant(wanted())
	f.put(shared.Answer{Fence: first, Lease: short, Data: []byte("late")}, false)
	if view := f.denied(wanted()); view.Busy == 0 {
		f.t.Error("a late Put ended the lease of another replica")
	}
	f.put(shared.Answer{Fence: second, Data: []byte("second")}, true)
	f.put(shared.Answer{Fence: first, Lease: short, Data: []byte("late")}, false)
	f.want("verdict", f.denied(shared.Query{}).Verdict, second, 0, "second")
}

func clearRemoves(f *fleet) {
	f.verdict("verdict")
	f.trouble("trouble", long)
	for range 3 {
		f.look(shared.Query{Replica: newKey()})
	}
	f.driver.Clear()
	empty(f)
	f.grant(shared.Query{Lease: leaseTime, Due: long})
}

func clearEndsLease(f *fleet) {
	fence := f.grant(wanted())
	f.driver.Clear()
	f.put(shared.Answer{Fence: fence, Data: []byte("late")}, false)
	view := f.denied(shared.Query{})
	f.none("verdict", view.Verdict)
	if view.Busy != 0 {
		f.t.Errorf("busy for %s after the loss of everything", view.Busy)
	}
}

// putAfterClear finds stores that start to count again: the late answer would be stored with the
// age of another lease.
func putAfterClear(f *fleet) {
	for _, floor := range []uint64{0, 1000} {
		f.key = newKey()
		first := f.grant(shared.Query{Lease: leaseTime, Floor: floor})
		f.driver.Clear()
		f.sleep(time.Millisecond)
		second := f.grant(shared.Query{Lease: leaseTime, Floor: floor})
		if second <= floor {
			f.t.Errorf("fence %d with floor %d", second, floor)
		}
		f.put(shared.Answer{Fence: first, Data: []byte("late")}, false)
		if view := f.denied(wanted()); view.Busy == 0 {
			f.t.Error("a late Put ended the lease of another replica")
		}
		f.put(shared.Answer{Fence: second, Data: []byte("second")}, true)
		f.want("verdict", f.denied(shared.Query{}).Verdict, second, 0, "second")
	}
}
