package sharedtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

func dataExact(f *fleet) {
	var all [256]byte
	for i := range all {
		all[i] = byte(i)
	}
	random := make([]byte, shared.MaxData)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random) // never fails
	for _, data := range []string{
		"", "\x00", "0", " ", "\r\n", "1 2 ", "\n1 2\n", "-1", "nil", "\xff\xfe", string(all[:]),
		strings.Repeat("\x00", shared.MaxData), string(random),
	} {
		f.key = newKey()
		fence := f.verdict(data)
		f.want("verdict", f.denied(shared.Query{}).Verdict, fence, 0, data)
		fence = f.trouble(data, time.Second)
		f.want("trouble", f.denied(shared.Query{}).Trouble, fence, time.Second, data)
	}
}

func dataOwned(f *fleet) {
	fence := f.grant(wanted())
	data := []byte("data")
	f.put(shared.Answer{Fence: fence, Data: data}, true)
	copy(data, "XXXX")
	view := f.denied(shared.Query{})
	f.want("verdict after a change of what was put", view.Verdict, fence, 0, "data")
	copy(view.Verdict.Data, "XXXX")
	f.want("verdict after a change of what was returned", f.denied(shared.Query{}).Verdict,
		fence, 0, "data")
}

func keysApart(f *fleet) {
	name := strings.Trim(strings.TrimPrefix(newKey(), "toloka:"), "{}")
	keys := []string{"toloka:{" + name + "}", "toloka:{" + name + "0}", "toloka:{0" + name + "}",
		"toloka:{" + strings.ToLower(name) + "}"}
	fences := make([]uint64, len(keys))
	for i, key := range keys {
		f.key = key
		view := f.look(wanted())
		if f.none("verdict", view.Verdict); view.Lease == 0 {
			f.t.Fatalf("no lease for %s, after that of another key", key)
		}
		fences[i] = view.Lease
	}
	for i, key := range keys {
		f.key = key
		if view := f.denied(shared.Query{}); view.Busy == 0 {
			f.t.Errorf("the lease of %s ended with that of another key", key)
		}
		f.put(shared.Answer{Fence: fences[i], Data: []byte(key)}, true)
	}
	for i, key := range keys {
		f.key = key
		f.want(key, f.denied(shared.Query{}).Verdict, fences[i], 0, key)
	}
}

func replicasCounted(f *fleet) {
	var last int
	for _, want := range []int{1, 10, 100, 1000} {
		for i := range want {
			last = f.look(shared.Query{Replica: fmt.Sprintf("replica-%d", i)}).Replicas
		}
		if last < want*9/10 || last > want+want/10 {
			f.t.Errorf("%d replicas, want about %d", last, want)
		}
	}
}

func replicasOfKey(f *fleet) {
	for i := range 20 {
		f.look(shared.Query{Replica: fmt.Sprint(i)})
	}
	f.key = newKey()
	if view := f.look(shared.Query{}); view.Replicas != 1 {
		f.t.Errorf("%d replicas, want 1: 20 are of another key", view.Replicas)
	}
}

func replicasForgotten(f *fleet) {
	lookAll := func(n int) (last int) {
		for i := range n {
			last = f.look(shared.Query{Replica: fmt.Sprint(i)}).Replicas
		}
		return last
	}
	for minute := range 10 { // of a steady fleet
		count := f.look(shared.Query{Replica: "0"}).Replicas
		if minute > 0 && (count < 90 || count > 110) {
			f.t.Errorf("minute %d: %d replicas at first, want about 100", minute, count)
		}
		if count := lookAll(100); count < 90 || count > 110 {
			f.t.Errorf("minute %d: %d replicas, want about 100", minute, count)
		}
		f.sleep(time.Minute)
	}
	for range 6 {
		lookAll(10)
		f.sleep(time.Minute)
	}
	if count := lookAll(10); count < 9 || count > 11 {
		f.t.Errorf("%d replicas, 6 minutes after 90 of 100 went", count)
	}
	f.sleep(time.Hour)
	if count := lookAll(1); count != 1 {
		f.t.Errorf("%d replicas after an hour of silence, want 1", count)
	}
}

func endedContext(f *fleet) {
	fence := f.grant(wanted())
	late, cancel := context.WithDeadline(f.t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{ended(f.t.Context()), late} {
		if view, err := f.driver.Store.Look(ctx, f.key, shared.Query{Replica: "r"}); err == nil {
			f.t.Errorf("Look returned no error but %+v", view)
		}
		stored, err := f.driver.Store.Put(ctx, f.key, shared.Answer{Fence: fence, Lease: leaseTime})
		if err == nil || stored {
			f.t.Errorf("Put returned %t and the error %v", stored, err)
		}
	}
	f.put(shared.Answer{Fence: fence, Data: []byte("x")}, true)
}

// concurrent checks with several keys that at most one replica holds a lease, and that no replica
// sees an older verdict after a newer one.
func concurrent(f *fleet) {
	const replicas, looks = 16, 40
	type token struct {
		key     string
		holders atomic.Int32
	}
	tokens := []*token{{key: newKey()}, {key: newKey()}, {key: newKey()}}
	var stored atomic.Int32
	var all sync.WaitGroup
	ctx := f.t.Context()
	for replica := range replicas {
		all.Go(func() {
			seen := make([]uint64, len(tokens))
			for i := range looks {
				n := (replica + i) % len(tokens)
				token := tokens[n]
				view, err := f.driver.Store.Look(ctx, token.key, shared.Query{
					Replica: fmt.Sprint(replica), Lease: leaseTime, Floor: seen[n]})
				if err != nil {
					f.t.Errorf("Look: %v", err)
					return
				}
				v := view.Verdict
				if v.Fence < seen[n] ||
					v.Fence != 0 && string(v.Data) != fmt.Sprint(token.key, v.Fence) {
					f.t.Errorf("verdict %d %q after %d", v.Fence, v.Data, seen[n])
				}
				seen[n] = v.Fence
				if view.Lease == 0 {
					continue
				}
				if view.Lease <= seen[n] {
					f.t.Errorf("lease %d after verdict %d", view.Lease, seen[n])
				}
				if h := token.holders.Add(1); h != 1 {
					f.t.Errorf("%d replicas hold a lease", h)
				}
				data := fmt.Append(nil, token.key, view.Lease)
				token.holders.Add(-1)
				ok, err := f.driver.Store.Put(ctx, token.key,
					shared.Answer{Fence: view.Lease, Lease: leaseTime, Data: data})
				if err != nil || !ok {
					f.t.Errorf("Put of the holder returned %t and the error %v", ok, err)
				}
				stored.Add(1)
			}
		})
	}
	all.Wait()
	if stored.Load() < int32(len(tokens)) {
		f.t.Errorf("%d verdicts were stored", stored.Load())
	}
}
