package benchmarks_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/benchmarks/cputime"
)

// tokenKey is the key of internal/callers: an HMAC.
type tokenKey [32]byte

func keyOf(i int) (k tokenKey) {
	binary.LittleEndian.PutUint64(k[:], uint64(i)*0x9e3779b97f4a7c15)
	return k
}

// boundedCache is one of the caches that internal/callers could use.
type boundedCache struct {
	name  string
	get   func(tokenKey) bool
	set   func(tokenKey, *int)
	close func()
}

func boundedCaches(b *testing.B, entries int) []boundedCache {
	o := otter.Must(&otter.Options[tokenKey, *int]{MaximumSize: entries, Executor: func(f func()) { f() }})
	l, err := lru.New[tokenKey, *int](entries)
	require.NoError(b, err)
	q, err := lru.New2Q[tokenKey, *int](entries)
	require.NoError(b, err)
	r, err := ristretto.NewCache(&ristretto.Config[string, *int]{
		NumCounters: int64(10 * entries), MaxCost: int64(entries), BufferItems: 64, IgnoreInternalCost: true,
	})
	require.NoError(b, err)
	return []boundedCache{
		{"otter", func(k tokenKey) bool { _, ok := o.GetIfPresent(k); return ok },
			func(k tokenKey, v *int) { o.Set(k, v) }, func() {}},
		{"golang-lru", func(k tokenKey) bool { _, ok := l.Get(k); return ok },
			func(k tokenKey, v *int) { l.Add(k, v) }, func() {}},
		{"golang-lru-2q", func(k tokenKey) bool { _, ok := q.Get(k); return ok },
			func(k tokenKey, v *int) { q.Add(k, v) }, func() {}},
		{"ristretto", func(k tokenKey) bool { _, ok := r.Get(string(k[:])); return ok },
			func(k tokenKey, v *int) { r.Set(string(k[:]), v, 1) }, r.Close},
	}
}

// BenchmarkBoundedCache compares caches of 10,000 entries with 8,000 live tokens. In the state
// "hits" nothing else is looked up. In "flood" every other operation inserts a new key, which is
// worse than in internal/callers: there a made-up token never enters the cache of verified ones.
// The metric live-% is how many of the live tokens are found.
func BenchmarkBoundedCache(b *testing.B) {
	const entries, live = 10_000, 8_000
	for _, state := range []string{"hits", "flood"} {
		for _, c := range boundedCaches(b, entries) {
			b.Run("state="+state+"/by="+c.name, func(b *testing.B) {
				value := new(int)
				for range 3 {
					for i := range live {
						if !c.get(keyOf(i)) {
							c.set(keyOf(i), value)
						}
					}
				}
				b.ReportAllocs()
				before, ok := cputime.Of(0)
				b.RunParallel(func(pb *testing.PB) {
					i, made := rand.IntN(live), live+rand.IntN(1<<40)
					for pb.Next() {
						if state == "flood" && i&1 == 0 {
							c.set(keyOf(made), value)
							made++
						}
						if !c.get(keyOf(i % live)) {
							c.set(keyOf(i%live), value)
						}
						i++
					}
				})
				b.StopTimer()
				if after, _ := cputime.Of(0); ok {
					b.ReportMetric(float64((after-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
				}
				found := 0
				for i := range live {
					if c.get(keyOf(i)) {
						found++
					}
				}
				b.ReportMetric(100*float64(found)/live, "live-%")
			})
			c.close()
		}
	}
}
