package main

import (
	"unsafe"

	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"
)

// key is like a key of internal/callers, a hash.
type key [32]byte

// cache is one of those that are compared. Its values do not matter.
type cache struct {
	get   func(key) bool
	set   func(key)
	close func()
}

var subjects = []struct {
	name string
	open func(entries int) (cache, error)
}{
	{"otter/v2", openOtter},
	{"golang-lru/v2", openLRU},
	{"golang-lru/v2, 2Q", open2Q},
	{"ristretto/v2", openRistretto},
}

var value = new(int)

func nothing() {}

// openOtter has the options of internal/callers.
func openOtter(entries int) (cache, error) {
	c, err := otter.New(&otter.Options[key, *int]{
		MaximumSize: entries, Executor: func(f func()) { f() },
	})
	if err != nil {
		return cache{}, err
	}
	return cache{
		get:   func(k key) bool { _, ok := c.GetIfPresent(k); return ok },
		set:   func(k key) { c.Set(k, value) },
		close: nothing,
	}, nil
}

func openLRU(entries int) (cache, error) {
	c, err := lru.New[key, *int](entries)
	if err != nil {
		return cache{}, err
	}
	return cache{
		get:   func(k key) bool { _, ok := c.Get(k); return ok },
		set:   func(k key) { c.Add(k, value) },
		close: nothing,
	}, nil
}

func open2Q(entries int) (cache, error) {
	c, err := lru.New2Q[key, *int](entries)
	if err != nil {
		return cache{}, err
	}
	return cache{
		get:   func(k key) bool { _, ok := c.Get(k); return ok },
		set:   func(k key) { c.Add(k, value) },
		close: nothing,
	}, nil
}

// openRistretto has ten counters per entry, as its documentation recommends. The cache has no keys
// of a fixed size. It keeps hashes of them only, so that a string of the key's own memory is safe
// and spares an allocation.
func openRistretto(entries int) (cache, error) {
	c, err := ristretto.NewCache(&ristretto.Config[string, *int]{
		NumCounters: int64(10 * entries), MaxCost: int64(entries), BufferItems: 64,
		IgnoreInternalCost: true,
	})
	if err != nil {
		return cache{}, err
	}
	text := func(k *key) string { return unsafe.String(&k[0], len(k)) }
	return cache{
		get:   func(k key) bool { _, ok := c.Get(text(&k)); return ok },
		set:   func(k key) { c.Set(text(&k), value, 1) },
		close: c.Close,
	}, nil
}
