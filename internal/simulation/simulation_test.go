package simulation

import (
	"flag"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

var replicas = flag.Int("replicas", 300, "replicas of the simulated fleet")

func config(mistake func(*standIn)) Config {
	return Config{
		Replicas: *replicas,
		New: func(s Spec) Replica {
			r := &standIn{spec: s, due: s.Clock, replicas: 1}
			mistake(r)
			return r
		},
		CallTimeout:  callTimeout,
		RedisTimeout: callTimeout / 20,
		MaxStale:     maxStale,
	}
}

func TestScenarios(t *testing.T) {
	scenarios := Scenarios()
	rows := make([][]Row, len(scenarios))
	t.Run("all", func(t *testing.T) {
		for i, s := range scenarios {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				rows[i] = s.Run(config(func(*standIn) {}))
				for _, r := range rows[i] {
					for _, f := range r.Failures {
						t.Error(f)
					}
				}
			})
		}
	})
	t.Log("\n" + Table(slices.Concat(rows...)))
	assert.Len(t, rows, len(scenarios))
}
