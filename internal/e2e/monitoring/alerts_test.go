package monitoring

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// TestRules runs the checks and the unit tests of promtool on the files as they are.
func TestRules(t *testing.T) {
	promtool := process.Find(t, "promtool")
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"},
		{"test", "rules", "alerts_test.yml"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = example
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%v: %s", args, out)
	}
}

// story is two replicas of the service, whose alerts a Prometheus evaluates.
type story struct {
	all        *testing.T // processes live until the end of it, not of the step
	platform   *platform
	prometheus *server
	a, b       *replica
	token      credentials.Token // of both
	seen       map[string]bool   // alerts that fired
}

// rotate gives both replicas a new token of the account.
func (s *story) rotate(t *testing.T, account string) {
	t.Helper()
	s.token = s.platform.IssueToken(account)
	s.a.token.write(t, s.token)
	s.b.token.write(t, s.token)
}

// refused returns a token that the platform refuses.
func (s *story) refused() credentials.Token {
	token := s.platform.IssueToken("")
	s.platform.DeleteToken(token)
	return token
}

// fires waits until exactly these alerts fire, once each.
func (s *story) fires(t *testing.T, names ...string) {
	t.Helper()
	want := map[string]int{}
	for _, name := range names {
		want[name] = 1
		s.seen[name] = true
	}
	process.Await(t, fmt.Sprintf("exactly %v to fire", names), func() error {
		firing, err := s.prometheus.firing()
		if err == nil && !maps.Equal(firing, want) {
			err = fmt.Errorf("firing: %v", firing)
		}
		return err
	})
}

// TestAlerts breaks one thing after the other, and sees each alert fire alone and end.
func TestAlerts(t *testing.T) {
	p := newPlatform(t)
	p.SetAccount(requestertest.Account{ID: "another", Balance: "2000"})
	p.setBalance("2000")
	binary := build(t, "monitoring")
	s := &story{
		all: t, platform: p, seen: map[string]bool{},
		a: newReplica(t, binary, p), b: newReplica(t, binary, p),
	}
	s.rotate(t, "")
	store := redistest.Start(t)
	s.a.start(s.all, "REDIS_URL=redis://"+store.Address)
	s.b.start(s.all, "REDIS_URL=redis://"+store.Address)
	s.prometheus = startPrometheus(t, s.a.address, s.b.address)
	s.fires(t)
	for _, step := range []struct {
		name string
		run  func(*story, *testing.T)
	}{
		{"dashboard", (*story).dashboard},
		{"shared store", func(s *story, t *testing.T) { s.sharedStore(t, store) }},
		{"spending", (*story).spending},
		{"low balance", (*story).lowBalance},
		{"outage", (*story).outage},
		{"source", (*story).source},
		{"rotation", (*story).rotation},
		{"rejection", (*story).rejection},
		{"scrape", (*story).scrape},
		{"fallback", (*story).fallback},
		{"callers", (*story).callers},
		{"insufficient balance", (*story).insufficientBalance},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(s, t) }) {
			t.FailNow() // the next step begins without an alert
		}
	}
	var all []string
	alert := regexp.MustCompile(`alert: (\w+)`)
	for _, match := range alert.FindAllStringSubmatch(readExample(t, "alerts.yml"), -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	assert.Equal(t, all, slices.Sorted(maps.Keys(s.seen)), "every alert has fired")
}

func (s *story) spending(t *testing.T) {
	dollars := 2000
	process.Await(t, "TolokaBalanceRunsOut to fire", func() error {
		dollars--
		s.platform.setBalance(fmt.Sprint(dollars))
		time.Sleep(100 * time.Millisecond) // as fast as the real Prometheus can follow
		firing, err := s.prometheus.firing()
		if err == nil && firing["TolokaBalanceRunsOut"] != 1 {
			err = fmt.Errorf("firing: %v", firing)
		}
		return err
	})
	s.fires(t, "TolokaBalanceRunsOut")
	s.platform.setBalance("4000")
	s.fires(t)
}

func (s *story) lowBalance(t *testing.T) {
	s.platform.setBalance("10")
	// The fall to 10 dollars is also one that ends at zero within a day, until the window is over.
	s.fires(t, "TolokaBalanceLow")
	s.platform.setBalance("4000")
	s.fires(t)
}

func (s *story) outage(t *testing.T) {
	s.platform.refuse()
	s.fires(t, "TolokaPlatformStale")
	s.fires(t, "TolokaPlatformUnreachable")
	s.platform.listen(t)
	s.fires(t)
}

func (s *story) source(t *testing.T) {
	s.a.token.breaks(t)
	s.fires(t, "TolokaSourceUnavailable")
	s.rotate(t, "")
	s.fires(t)
}

func (s *story) rotation(t *testing.T) {
	s.a.token.write(t, s.refused())
	s.fires(t, "TolokaRotationRejected")
	s.token = s.platform.IssueToken("")
	s.a.token.write(t, s.token)
	s.fires(t, "TolokaTokensDiffer")
	s.b.token.write(t, s.token)
	s.fires(t)
}

func (s *story) rejection(t *testing.T) {
	s.platform.DeleteToken(s.token)
	s.fires(t, "TolokaCredentialRejected")
	s.rotate(t, "another")
	s.fires(t, "TolokaCredentialWrongAccount")
	s.rotate(t, "")
	s.fires(t)
}

func (s *story) scrape(t *testing.T) {
	s.a.stop(t)
	s.b.stop(t)
	s.fires(t, "TolokaMetricsMissing")
	s.rotate(t, "")
	s.b.token.breaks(t)
	s.a.start(s.all)
	s.b.start(s.all)
	s.fires(t, "TolokaCredentialMissing")
	s.rotate(t, "")
	s.fires(t)
}

func (s *story) fallback(t *testing.T) {
	s.b.stop(t)
	s.b.token.write(t, s.refused())
	s.b.fallback.write(t, s.token)
	s.b.start(s.all, "TOLOKA_FALLBACK_FILE="+string(s.b.fallback))
	s.fires(t, "TolokaFallbackInUse")
	s.b.token.write(t, s.token)
	s.fires(t)
}

func (s *story) insufficientBalance(t *testing.T) {
	s.a.stop(t)
	s.b.stop(t)
	s.platform.setBalance("10")
	s.a.start(s.all, "FAIL_ON_LOW_BALANCE=1")
	s.fires(t, "TolokaBalanceInsufficient")
	s.platform.setBalance("4000")
	s.fires(t)
}

// dashboard evaluates every expression of the dashboard.
func (s *story) dashboard(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(readExample(t, "dashboard.json")), &dashboard))
	variables := strings.NewReplacer("$job", ".*", "$name", ".*")
	count := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			count++
			expression := variables.Replace(shorten(target.Expr))
			require.NotContains(t, expression, "$")
			process.Await(t, "data for "+panel.Title, func() error {
				n, err := s.prometheus.query(expression)
				if err == nil && n == 0 {
					err = fmt.Errorf("no data: %s", expression)
				}
				return err
			})
		}
	}
	assert.Equal(t, 34, count)
}
