package middleware_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

const (
	modelTokens = 3
	ttl         = time.Minute
	refusedTTL  = 10 * time.Second
	maxStale    = 15 * time.Minute
)

// modelFaults are the answers of the model's platform.
var modelFaults = []requestertest.Fault{
	nil,
	requestertest.Status(401),
	requestertest.Status(500),
	requestertest.RateLimited("30"),
	requestertest.HTML(403),
	requestertest.Hang(),
}

// move is one move of a script.
type move struct {
	kind  string
	token int
	fault int
	pause time.Duration
}

func drawMoves(t *rapid.T) []move {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) move {
		return move{
			kind:  rapid.SampledFrom([]string{"use", "use", "use", "pause", "fault", "all", "flood"}).Draw(t, "kind"),
			token: rapid.IntRange(0, modelTokens-1).Draw(t, "token"),
			fault: rapid.IntRange(0, len(modelFaults)-1).Draw(t, "fault"),
			pause: time.Duration(rapid.SampledFrom([]int{
				100, 999, 1000, 5000, 10_000, 44_999, 50_000, 60_000, 180_000, 899_000, 900_000,
			}).Draw(t, "ms")) * time.Millisecond,
		}
	}), 1, 40).Draw(t, "moves")
}

// answers is the history of one token: what the platform has said about it.
type answers struct {
	good      time.Time // when the last good answer was asked for; zero if never or void
	refusals  int       // since then
	refusedAt time.Time // when the last conclusive answer arrived, if it was a refusal
}

// model replays a script and compares each decision with the history of answers.
type model struct {
	*callersWorld
	tokens  []credentials.Token
	mu      sync.Mutex
	history map[string]*answers
	made    int
}

// RoundTrip records what the platform answers.
func (m *model) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	res, err := m.platform.Client().Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.of(r.Header.Get("Authorization"))
	switch res.StatusCode {
	case 200:
		*h = answers{good: sent}
	case 401:
		h.refusals++
		h.refusedAt = time.Now()
		if h.refusals > 1 || sent.Sub(h.good) >= maxStale {
			h.good = time.Time{}
		}
	}
	return res, nil
}

func (m *model) of(authorization string) *answers {
	if m.history[authorization] == nil {
		m.history[authorization] = &answers{}
	}
	return m.history[authorization]
}

// check uses a token and returns what is wrong with the decision.
func (m *model) check(i int) error {
	start := time.Now()
	status := m.use(m.tokens[i])
	end := time.Now()
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	h := *m.of(authorization(m.tokens[i]))
	age := start.Sub(h.good)
	switch {
	case status == 200 && (h.good.IsZero() || age >= ttl):
		return fmt.Errorf("token %d is fresh at an age of %v", i, age)
	case status == staleStatus && (h.good.IsZero() || age >= maxStale):
		return fmt.Errorf("token %d passes as stale at an age of %v, refused %d times", i, age, h.refusals)
	case status == 401 && (h.refusedAt.IsZero() || end.Sub(h.refusedAt) >= refusedTTL):
		return fmt.Errorf("token %d gets 401; the last refusal is from %v", i, h.refusedAt)
	case status >= 400 && !h.good.IsZero() && end.Sub(h.good) < maxStale:
		return fmt.Errorf("token %d gets %d although it was verified %v ago", i, status, age)
	case status != 200 && status != staleStatus && status != 401 && status != 503:
		return fmt.Errorf("token %d gets %d", i, status)
	}
	return nil
}

// flood sends made-up tokens, and waits for none of them.
func (m *model) flood(n int) {
	for range n {
		m.made++
		go m.use(made(m.made))
	}
	synctest.Wait()
}

func (m *model) play(moves []move) error {
	for at, mv := range moves {
		switch mv.kind {
		case "pause":
			time.Sleep(mv.pause)
		case "fault":
			m.platform.SetTokenFaults(m.tokens[mv.token], modelFaults[mv.fault])
		case "all":
			m.platform.SetFaults(modelFaults[mv.fault])
		case "flood":
			m.flood(100)
		case "use":
			if err := m.check(mv.token); err != nil {
				return fmt.Errorf("move %d: %w", at, err)
			}
		}
	}
	return m.live()
}

// live checks that a token that the platform accepts from now on is fresh soon, whatever is
// answered about the others.
func (m *model) live() error {
	m.platform.ClearFaults()
	for i := 1; i < modelTokens; i++ {
		m.platform.SetTokenFaults(m.tokens[i], modelFaults[2+i])
	}
	for end := time.Now().Add(2 * time.Minute); ; {
		m.mu.Lock()
		known := !m.of(authorization(m.tokens[0])).good.IsZero()
		m.mu.Unlock()
		if m.use(m.tokens[0]) == 200 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("token 0 is not fresh; %+v", m.callers.Stats())
		}
		for _, other := range m.tokens[1:] {
			go m.use(other)
		}
		if known { // an unknown one shares the budget with a flood
			m.flood(100)
		}
		time.Sleep(time.Second)
	}
}

func TestCallers_model(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		moves := drawMoves(rt)
		var err error
		synctest.Test(t, func(t *testing.T) { err = replay(t, moves) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func replay(t *testing.T, moves []move) error {
	m := &model{history: make(map[string]*answers)}
	p := requestertest.NewPlatform()
	client := must(requester.New(requester.Production, requester.WithHTTPClient(&http.Client{Transport: m})))
	m.callersWorld = &callersWorld{t: t, platform: p, callers: must(middleware.NewCallers(client))}
	defer m.callers.Close()
	for i := range modelTokens {
		m.tokens = append(m.tokens, p.IssueToken(fmt.Sprint(i)))
	}
	return m.play(moves)
}
