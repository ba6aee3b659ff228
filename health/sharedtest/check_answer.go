package sharedtest

import (
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

func verdictReturned(f *fleet) {
	w := f.stopwatch()
	fence := f.verdict("verdict")
	for _, pause := range []time.Duration{0, short, short} {
		f.sleep(pause)
		view := f.denied(shared.Query{Due: long})
		f.want("verdict", view.Verdict, fence, 0, "verdict")
		f.age("verdict", view.Verdict.Age, w)
		f.none("trouble", view.Trouble)
	}
	view := f.look(wanted())
	f.want("verdict with the lease", view.Verdict, fence, 0, "verdict")
	view = f.look(wanted())
	f.want("verdict during the lease", view.Verdict, fence, 0, "verdict")
}

func verdictDue(f *fleet) {
	f.verdict("verdict")
	f.sleep(short)
	f.denied(shared.Query{Lease: leaseTime, Due: long})
	f.denied(shared.Query{Due: short}) // due, but no lease is wanted
	f.grant(shared.Query{Lease: leaseTime, Due: short})
	f.key = newKey()
	f.verdict("verdict")
	f.grant(shared.Query{Lease: leaseTime, Due: 0})
}

func verdictUnderFloor(f *fleet) {
	fence := f.verdict("verdict")
	f.denied(shared.Query{Lease: leaseTime, Due: long, Floor: fence})
	view := f.look(shared.Query{Lease: leaseTime, Due: long, Floor: fence + 1})
	if view.Lease <= fence+1 {
		f.t.Errorf("lease %d, want one above the floor %d", view.Lease, fence+1)
	}
	f.want("verdict", view.Verdict, fence, 0, "verdict")
}

func verdictReplaces(f *fleet) {
	f.verdict("first, which is longer")
	w := f.stopwatch()
	fence := f.verdict("second")
	view := f.denied(shared.Query{Due: long})
	f.want("verdict", view.Verdict, fence, 0, "second")
	f.age("verdict", view.Verdict.Age, w)
}

func verdictRemovesTrouble(f *fleet) {
	f.trouble("trouble", 0)
	fence := f.verdict("verdict")
	view := f.denied(shared.Query{Lease: leaseTime, Due: long})
	f.want("verdict", view.Verdict, fence, 0, "verdict")
	f.none("trouble", view.Trouble)
}

func verdictRetention(f *fleet) {
	retention(f, f.verdict, func(v shared.View) shared.Entry { return v.Verdict })
}

func troubleRetention(f *fleet) {
	retention(f,
		func(data string) uint64 { return f.trouble(data, 2*shared.Retention) },
		func(v shared.View) shared.Entry { return v.Trouble })
}

func retention(f *fleet, put func(string) uint64, entry func(shared.View) shared.Entry) {
	w := f.stopwatch()
	fence := put("data")
	f.sleep(shared.Retention - time.Minute)
	view := f.denied(shared.Query{Lease: leaseTime, Due: 2 * shared.Retention})
	if entry(view).Fence != fence {
		f.t.Fatalf("lost before the end of the retention: %+v", view)
	}
	f.age("entry", entry(view).Age, w)
	f.sleep(2 * time.Minute)
	view = f.look(shared.Query{Lease: leaseTime, Due: 2 * shared.Retention})
	f.none("entry after the end of the retention", entry(view))
	if view.Lease == 0 {
		f.t.Error("no lease was granted after the end of the retention")
	}
}

func troubleReturned(f *fleet) {
	verdict := f.verdict("verdict")
	f.sleep(short)
	w := f.stopwatch()
	trouble := f.trouble("trouble", 1234567*time.Microsecond)
	f.sleep(short)
	view := f.denied(shared.Query{})
	f.want("verdict", view.Verdict, verdict, 0, "verdict")
	f.want("trouble", view.Trouble, trouble, 1234567*time.Microsecond, "trouble")
	f.age("trouble", view.Trouble.Age, w)
	if view.Verdict.Age < view.Trouble.Age+short {
		f.t.Errorf("ages %s and %s, the verdict is %s older",
			view.Verdict.Age, view.Trouble.Age, short)
	}
}

func troublePauses(f *fleet) {
	f.verdict("verdict")
	f.trouble("trouble", long)
	f.sleep(short)
	f.denied(shared.Query{Lease: leaseTime, Due: 0})
	f.denied(shared.Query{Lease: leaseTime, Due: long})
}

func troubleAfterPause(f *fleet) {
	f.verdict("verdict")
	f.trouble("trouble", short)
	f.sleep(short)
	// Also if the verdict is young: it does not say what the platform answers now.
	f.grant(shared.Query{Lease: leaseTime, Due: long})
}

func troubleUnderFloor(f *fleet) {
	fence := f.trouble("trouble", long)
	f.denied(shared.Query{Lease: leaseTime, Floor: fence})
	view := f.look(shared.Query{Lease: leaseTime, Due: long, Floor: fence + 1})
	if view.Lease <= fence+1 {
		f.t.Errorf("lease %d, want one above the floor %d", view.Lease, fence+1)
	}
	f.want("trouble", view.Trouble, fence, long, "trouble")
}

func troubleReplaces(f *fleet) {
	f.trouble("first, which is longer", 0)
	w := f.stopwatch()
	fence := f.trouble("second", long)
	view := f.denied(wanted())
	f.want("trouble", view.Trouble, fence, long, "second")
	f.age("trouble", view.Trouble.Age, w)
}

func ageStartsWithLease(f *fleet) {
	for _, trouble := range []bool{false, true} {
		f.key = newKey()
		w := f.stopwatch()
		fence := f.grant(shared.Query{Lease: leaseTime})
		f.sleep(3 * short)
		f.put(shared.Answer{Fence: fence, Trouble: trouble, Pause: 3 * short, Data: []byte("x")},
			true)
		view := f.denied(shared.Query{})
		entry := view.Verdict
		if trouble {
			entry = view.Trouble
		}
		f.age("entry", entry.Age, w)
		f.grant(shared.Query{Lease: leaseTime, Due: 3 * short})
	}
}

// ageNeverTooShort finds stores that round ages down.
func ageNeverTooShort(f *fleet) {
	for i := range 40 {
		f.key = newKey()
		fence := f.grant(wanted())
		granted, slept := time.Now(), f.slept
		f.sleep(time.Duration(i%10+1) * 99 * time.Microsecond)
		f.put(shared.Answer{Fence: fence}, true)
		f.sleep(time.Duration(i%7+1) * 99 * time.Microsecond)
		least := f.slept - slept
		if f.driver.Sleep == nil {
			least = time.Since(granted)
		}
		if age := f.denied(shared.Query{}).Verdict.Age; age < least {
			f.t.Errorf("age %s is too short, it is at least %s", age, least)
		}
	}
}
