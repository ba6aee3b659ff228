package simulation

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// config returns a fleet of stand-ins, which may make a mistake.
func config(replicas int, mistake func(*standIn)) Config {
	return Config{
		Replicas: replicas,
		New: func(s Spec) Replica {
			r := &standIn{spec: s, due: s.Clock, replicas: 1}
			if mistake != nil {
				mistake(r)
			}
			return r
		},
		CallTimeout:  callTimeout,
		RedisTimeout: callTimeout / 20,
	}
}

func scenario(t *testing.T, name string) Scenario {
	all := Scenarios()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return all[i]
}

func TestScenarios_meet_the_targets(t *testing.T) {
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			for _, r := range s.Run(config(300, nil)) {
				assert.Empty(t, r.Failures)
				assert.Positive(t, r.Redis)
				assert.Positive(t, r.Calls)
			}
		})
	}
}

// Every mistake misses the target that it should.
func TestScenarios_find_mistakes(t *testing.T) {
	for name, tt := range map[string]struct {
		replicas int
		mistake  func(*standIn)
		scenario string
		want     string // part of a failure
	}{
		"a call at every look": {300, func(r *standIn) { r.ignoresLease = true },
			"cold start", "calls to the platform in a second, want at most 1"},
		"no spread without Redis": {600, func(r *standIn) { r.ignoresSpread = true },
			"Redis away", "calls to the platform in a second, want at most 300"},
		"verdicts are not taken": {300, func(r *standIn) { r.trustsNobody = true },
			"cold start", "not every replica knew"},
		"the status is lost with Redis": {300, func(r *standIn) { r.forgetsOnError = true },
			"Redis away", "replicas closed their gate for a token that was accepted"},
		"looks are rare": {300, func(r *standIn) { r.looksRarely = true },
			"refused token", "every replica knew after"},
		"a broken network is an outage": {300, func(r *standIn) { r.blamesPlatform = true },
			"no network", "replicas changed their state, want none"},
	} {
		t.Run(name, func(t *testing.T) {
			var failures []string
			for _, r := range scenario(t, tt.scenario).Run(config(tt.replicas, tt.mistake)) {
				failures = append(failures, r.Failures...)
			}
			assert.Contains(t, strings.Join(failures, "\n"), tt.want)
		})
	}
}

func TestScenarios_are_reproducible(t *testing.T) {
	s := scenario(t, "Redis slow")
	c := config(100, nil)
	first := s.Run(c)
	assert.Equal(t, first, s.Run(c))
	c.Seed++
	assert.NotEqual(t, first, s.Run(c))
}

// sleeper is a replica that only costs what the world needs for it.
type sleeper struct{ probe }

func (*sleeper) Plan(now time.Duration, _ IO) State { return State{Wake: now + time.Minute} }

func TestMemory_of_the_world(t *testing.T) {
	const replicas = 20_000
	one := &sleeper{}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	w := newWorld(Config{Replicas: replicas, New: func(Spec) Replica { return one }})
	w.meter = newMeter(w, nil)
	w.startWithin(time.Second)
	w.run(time.Hour)
	perReplica := (heap() - before) / replicas
	t.Logf("%d bytes per replica", perReplica)
	assert.Less(t, perReplica, uint64(2<<10))
	runtime.KeepAlive(w)
}

func TestTable(t *testing.T) {
	rows := []Row{
		{Phase: "quiet", Calls: 1, InSecond: 1, InTen: 1, Redis: 5.4, RedisMax: 9},
		{Phase: "loud", Calls: 20, InSecond: 3, InTen: 12, Redis: 1666.6, RedisMax: 2000,
			Half: 1500 * time.Millisecond, All: 100 * time.Second, Told: 50 * time.Second,
			Changes: 7, Closed: 6, Wrongly: 5},
		{Phase: "unknown", Half: time.Second, All: -1},
	}
	assert.Equal(t, ""+
		"| phase | calls to the platform | most in 1 s | most in 10 s | Redis operations a second | "+
		"most in 1 s | half know after | all know after | changes of state | gates closed |\n"+
		"| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n"+
		"| quiet | 1 | 1 | 1 | 5 | 9 |  |  | 0 | 0 |\n"+
		"| loud | 20 | 3 | 12 | 1667 | 2000 | 1.5 s | 100.0 s (50.0 s after the first refusal) | "+
		"7 | 6 (5 wrongly) |\n"+
		"| unknown | 0 | 0 | 0 | 0 | 0 | 1.0 s | never | 0 | 0 |\n", Table(rows))
}
