package simulation

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
)

// modelStore makes a shared.Store of the model. The suite calls it from many goroutines, so that
// the model runs in one of its own.
type modelStore struct {
	redis    chan *redis // holds it while it is not in use
	began    time.Time
	tokens   map[string]int
	replicas map[string]int32
}

func openModel(*testing.T) sharedtest.Driver {
	r := &redis{random: rand.New(rand.NewPCG(1, 2))}
	r.empty()
	s := &modelStore{
		redis: make(chan *redis, 1), began: time.Now(),
		tokens: make(map[string]int), replicas: make(map[string]int32),
	}
	s.redis <- r
	return sharedtest.Driver{Store: s, Clear: func() {
		r := <-s.redis
		r.empty()
		s.redis <- r
	}}
}

// number returns the number of a name, a new one if it has none.
func number[N int | int32](names map[string]N, name string) N {
	n, ok := names[name]
	if !ok {
		n = N(len(names))
		names[name] = n
	}
	return n
}

func (s *modelStore) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	if err := ctx.Err(); err != nil {
		return shared.View{}, err
	}
	r := <-s.redis
	defer func() { s.redis <- r }()
	v := r.look(time.Since(s.began), number(s.tokens, key), number(s.replicas, q.Replica), q)
	v.Verdict.Data, v.Trouble.Data = copied(v.VerdictValue), copied(v.TroubleValue)
	return v.View, nil
}

func (s *modelStore) Put(ctx context.Context, key string, a shared.Answer) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	r := <-s.redis
	defer func() { s.redis <- r }()
	return r.put(time.Since(s.began), number(s.tokens, key), a, copied(a.Data)), nil
}

// copied returns a copy of data, which callers may change.
func copied(data any) []byte {
	b, _ := data.([]byte)
	return bytes.Clone(b)
}

func TestRedis_meets_the_contract(t *testing.T) { sharedtest.RunBubble(t, openModel) }

func TestCount_is_about_right(t *testing.T) {
	var c count
	random := rand.New(rand.NewPCG(1, 2))
	n := 0
	for i := range int32(50_000) {
		n = c.add(time.Duration(i)*time.Millisecond, i, random)
	}
	assert.InEpsilon(t, 50_000, n, 0.011)
	for i := range int32(50_000) {
		n = c.add(time.Minute+time.Duration(i)*time.Millisecond, i, random)
	}
	assert.InEpsilon(t, 50_000, n, 0.011, "replicas are counted once")
	assert.Equal(t, 1, c.add(time.Hour, 0, random), "the others are forgotten")
}
