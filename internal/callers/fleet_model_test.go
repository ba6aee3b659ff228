package callers

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
)

const (
	modelEngines = 3
	// modelSlack is for the store, which takes a millisecond and counts in whole ones.
	modelSlack = 50 * time.Millisecond
)

var modelFaults = map[string]requestertest.Fault{
	"503":  requestertest.Status(503),
	"429":  requestertest.RateLimited("30"),
	"hang": requestertest.Hang(),
	"slow": requestertest.Delay(time.Second),
}

// fleetMove changes the world, and after a pause an engine is asked about the token.
type fleetMove struct {
	change string
	forget int // engine
	pause  time.Duration
	use    int // engine
}

func drawFleetMoves(t *rapid.T) []fleetMove {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) fleetMove {
		engine := rapid.IntRange(0, modelEngines-1)
		return fleetMove{
			change: rapid.SampledFrom([]string{
				"", "", "", "delete", "accept", "away", "back", "503", "429", "hang", "slow", "clear", "forget",
			}).Draw(t, "change"),
			forget: engine.Draw(t, "forget"),
			pause: time.Duration(rapid.SampledFrom([]int{
				0, 100, 1000, 5000, 10_000, 30_000, 60_000, 600_000,
			}).Draw(t, "ms")) * time.Millisecond,
			use: engine.Draw(t, "use"),
		}
	}), 40, 60).Draw(t, "moves")
}

// platformAnswer is what the platform said to one of the engines.
type platformAnswer struct {
	status        int
	sent, arrived time.Time
}

// fleetModel compares the decisions of a fleet with what the platform has said.
type fleetModel struct {
	platform *requestertest.Platform
	store    *sharedtest.Memory
	token    credentials.Token
	engines  []*Engine

	mu      sync.Mutex
	answers []platformAnswer
}

// RoundTrip records what the platform answers.
func (m *fleetModel) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	res, err := m.platform.Client().Transport.RoundTrip(r)
	if err == nil {
		m.mu.Lock()
		m.answers = append(m.answers, platformAnswer{res.StatusCode, sent, time.Now()})
		m.mu.Unlock()
	}
	return res, err
}

func (m *fleetModel) change(mv fleetMove) {
	switch mv.change {
	case "delete":
		m.platform.DeleteToken(m.token)
	case "accept":
		m.platform.AcceptToken("1", m.token)
	case "away":
		m.store.SetError(errors.New("connection refused"))
	case "back":
		m.store.SetError(nil)
	case "clear":
		m.platform.ClearFaults()
	case "forget":
		m.engines[mv.forget].Forget(m.token)
	case "":
	default:
		m.platform.SetFaults(modelFaults[mv.change])
	}
}

func (m *fleetModel) use(engine int) Outcome {
	return check(m.engines[engine], m.token)
}

// justified reports whether an answer of the platform allows the decision on a request of this
// time.
func (m *fleetModel) justified(o Outcome, at time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.answers {
		switch {
		case o == Fresh && a.status == 200 && at.Sub(a.sent) < fleetTTL+modelSlack,
			o == Stale && a.status == 200 && at.Sub(a.sent) < fleetMaxStale+modelSlack,
			o == Refused && a.status == 401 && at.Sub(a.arrived) < fleetRefusedTTL+modelSlack:
			return true
		}
	}
	return o == Unavailable
}

func (m *fleetModel) play(moves []fleetMove) error {
	for i, mv := range moves {
		m.change(mv)
		time.Sleep(mv.pause)
		begin := time.Now()
		outcome := m.use(mv.use)
		took := time.Since(begin)
		if !m.justified(outcome, begin) {
			return fmt.Errorf("move %d: the outcome %d has no reason; the platform said %v", i, outcome, m.answers)
		}
		if took > 15*time.Second { // for an answer of another engine, a turn, and a call
			return fmt.Errorf("move %d: it takes %v", i, took)
		}
		synctest.Wait()
	}
	// What is accepted and used passes within MaxStale, whatever happened and whether the store is
	// there.
	m.platform.ClearFaults()
	m.platform.AcceptToken("1", m.token)
	outcomes := make([]Outcome, modelEngines)
	for range int(fleetMaxStale / time.Second) {
		time.Sleep(time.Second)
		for i := range outcomes {
			outcomes[i] = m.use(i)
		}
	}
	for i, o := range outcomes {
		if o != Fresh {
			return fmt.Errorf("engine %d ends with the outcome %d", i, o)
		}
	}
	return nil
}

func TestFleet_model(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		moves := drawFleetMoves(rt)
		var err error
		synctest.Test(t, func(t *testing.T) { err = replayFleet(t, moves) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func replayFleet(t *testing.T, moves []fleetMove) error {
	p := requestertest.NewPlatform()
	m := &fleetModel{platform: p, store: sharedtest.NewMemory(), token: p.IssueToken("1")}
	for range modelEngines {
		m.engines = append(m.engines, newMember(t, m, slowStore{m.store}))
	}
	defer func() {
		for _, e := range m.engines {
			e.Close()
		}
		time.Sleep(time.Second) // the store ignores its context
	}()
	time.Sleep(time.Hour) // the engines' clock is not at zero
	return m.play(moves)
}
