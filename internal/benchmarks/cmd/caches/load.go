package main

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/internal/benchmarks/cputime"
)

// load is what the caches have to do.
type load struct{ entries, operations int }

// live is the number of keys that are in use.
func (l load) live() int { return l.entries * 4 / 5 }

// result is one measurement of one cache. Times are processor time per operation in nanoseconds.
type result struct {
	hit, sharedHit float64 // lookups of live keys, in 1 and 8 goroutines
	mixed          float64 // the same in 8 goroutines, but 1 operation in 10 inserts a new key
	memory         float64 // bytes per entry of a full cache, without the value
	// found is the part of the lookups of live keys that find theirs, while there is an insertion
	// of a new key for each lookup. What is not found is inserted again.
	found float64
}

// measure opens a cache and puts the load on it.
func (l load) measure(open func(entries int) (cache, error)) (r result, err error) {
	before := heap()
	c, err := open(l.entries)
	if err != nil {
		return r, err
	}
	defer c.close()
	// Ristretto drops insertions while it is busy.
	for range 3 {
		for i := range l.entries {
			if !c.get(keyOf(i)) {
				c.set(keyOf(i))
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.memory = float64(heap()-before) / float64(l.entries)

	lookup := func(int) { c.get(keyOf(rand.IntN(l.live()))) }
	var made atomic.Int64
	made.Store(int64(l.entries))
	insert := func() { c.set(keyOf(int(made.Add(1)))) }
	mixed := func(i int) {
		if i%10 == 0 {
			insert()
		} else {
			lookup(i)
		}
	}
	for _, m := range []struct {
		to         *float64
		goroutines int
		do         func(i int)
	}{{&r.hit, 1, lookup}, {&r.sharedHit, 8, lookup}, {&r.mixed, 8, mixed}} {
		if *m.to, err = l.time(m.goroutines, m.do); err != nil {
			return r, err
		}
	}
	var found, lookups atomic.Int64
	_, err = l.time(8, func(int) {
		insert()
		k := keyOf(rand.IntN(l.live()))
		lookups.Add(1)
		if c.get(k) {
			found.Add(1)
		} else {
			c.set(k)
		}
	})
	r.found = float64(found.Load()) / float64(lookups.Load())
	return r, err
}

// time returns the processor time per operation in nanoseconds.
func (l load) time(goroutines int, do func(i int)) (float64, error) {
	before, ok := cputime.Of(0)
	if !ok {
		return 0, errors.New("this operating system does not report processor time")
	}
	each := l.operations/goroutines + 1
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := range each {
				do(i)
			}
		})
	}
	all.Wait()
	after, _ := cputime.Of(0)
	return float64(after-before) / float64(each*goroutines), nil
}

// keyOf returns the key with this number.
func keyOf(i int) (k key) {
	binary.LittleEndian.PutUint64(k[:], uint64(i)*0x9e3779b97f4a7c15)
	return k
}

func heap() uint64 {
	// The second collection frees what the first one has finalized.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
