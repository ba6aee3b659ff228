package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/govalues/decimal"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tolokacheck/tolokacheck/health"
	tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// Settings for a Prometheus that scrapes every second.
const (
	monitorInterval    = 2 * time.Second
	monitorMaxStale    = 10 * time.Second
	monitorBreakerOpen = time.Second

	// alertTimeout is how long an alert may take to fire or to end.
	alertTimeout = 40 * time.Second
)

// alertRules is the path of the alerts in the repository.
var alertRules = filepath.Join("examples", "monitoring", "alerts.yml")

// Monitor runs the service, breaks the platform, and waits for the alerts in a Prometheus that it
// starts. Then it keeps everything running, to be looked at, until ctx ends.
func Monitor(ctx context.Context, out io.Writer) error {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		return errors.New(
			"-monitor needs Prometheus: install it, so that prometheus is in the PATH " +
				"(on Debian: apt-get install prometheus)")
	}
	rules, err := os.ReadFile(alertRules)
	if err != nil {
		return fmt.Errorf("-monitor loads %s: run it in the root of the repository: %w",
			alertRules, err)
	}
	m, err := newMonitor(out)
	if err != nil {
		return err
	}
	defer m.close()
	if err := m.startPrometheus(ctx, program, string(rules)); err != nil {
		return err
	}
	defer m.stopPrometheus()
	if err := m.tell(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// monitor is the story for Prometheus.
type monitor struct {
	*terminal
	world  *world
	app    *app
	server *http.Server
	url    string // of the service

	ada, bob             caller
	adaComing, bobComing *traffic

	prometheus *exec.Cmd
	dir        string // of its data
	ended      chan struct{}
	address    string
	client     *http.Client
}

func newMonitor(out io.Writer) (*monitor, error) {
	w, err := newWorld(nil)
	if err != nil {
		return nil, err
	}
	a, err := newApp(w.server.URL, w.tokenFile, slog.New(slog.DiscardHandler), monitorInterval,
		health.WithPollInterval(pollInterval),
		health.WithMaxStale(monitorMaxStale),
		health.WithBreakerOpen(monitorBreakerOpen),
		health.WithMinBalance(decimal.MustNew(playMinBalance, 0)),
	)
	if err != nil {
		w.close()
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(tolokaprom.NewCollector(a.checker),
		tolokaprom.NewCallersCollector(a.callers))
	mux := http.NewServeMux()
	mux.Handle("/", a.handler)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.close()
		w.close()
		return nil, err
	}
	m := &monitor{
		terminal: &terminal{out: out}, world: w, app: a,
		server: &http.Server{Handler: mux, ReadHeaderTimeout: time.Second},
		url:    "http://" + listener.Addr().String(),
		client: newClient(),
		ada:    w.newCaller("ada"), bob: w.newCaller("bob"),
	}
	go func() { _ = m.server.Serve(listener) }() // until the server is closed
	return m, nil
}

func (m *monitor) close() {
	for _, t := range []*traffic{m.adaComing, m.bobComing} {
		if t != nil {
			t.end()
		}
	}
	m.client.CloseIdleConnections()
	_ = m.server.Close()
	m.app.close()
	m.world.close()
}

// startPrometheus starts Prometheus with the alerts, which fire after a second instead of minutes.
func (m *monitor) startPrometheus(ctx context.Context, program, rules string) error {
	dir, err := os.MkdirTemp("", "tolokacheck-prometheus-")
	if err != nil {
		return err
	}
	m.dir = dir
	m.address, err = freeAddress()
	if err != nil {
		return err
	}
	rules = regexp.MustCompile(`for: [0-9]+m`).ReplaceAllString(rules, "for: 1s")
	rules = regexp.MustCompile(`\[[0-9]+m\]`).ReplaceAllString(rules, "[5s]")
	config := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yml]
scrape_configs: [{job_name: toloka-service, static_configs: [{targets: [%q]}]}]
`, strings.TrimPrefix(m.url, "http://"))
	for name, text := range map[string]string{"prometheus.yml": config, "alerts.yml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	m.prometheus = exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+m.address)
	if err := m.prometheus.Start(); err != nil {
		return err
	}
	m.ended = make(chan struct{})
	go func() {
		_ = m.prometheus.Wait()
		close(m.ended)
	}()
	if err := m.await(ctx, "Prometheus to start", func() error {
		_, err := m.firing()
		return err
	}); err != nil {
		m.stopPrometheus()
		return err
	}
	return nil
}

// freeAddress returns an address that is not in use.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func (m *monitor) stopPrometheus() {
	_ = m.prometheus.Process.Signal(syscall.SIGTERM) // it may have ended, by Ctrl-C for example
	<-m.ended
	_ = os.RemoveAll(m.dir)
}

func (m *monitor) tell(ctx context.Context) error {
	m.print("A service on %s, and a Prometheus that scrapes it every second. Open\n", m.url)
	m.print(
		"  http://%s/alerts\n  http://%s/graph?g0.expr=toloka_credential_reason%%3E0&g0.tab=0\n",
		m.address, m.address)
	m.print("The alerts are those of %s; they fire after a second instead of minutes.\n",
		alertRules)
	steps := []struct {
		title  string
		change func(context.Context) error
		alerts []string // that fire, in this order, and may end while others fire; none: all end
	}{
		{"The service starts and verifies its token", m.app.checker.Start, nil},
		{"Two callers bring tokens of their own", m.come, nil},
		{"The platform goes down", m.down, []string{
			"TolokaPlatformStale", "TolokaCallersUnavailable", "TolokaPlatformUnreachable",
		}},
		{"The platform comes back", m.up, nil},
		{"The token is deleted on the platform", m.delete, []string{"TolokaCredentialRejected"}},
		{"A new token is written to the file", m.rotate, nil},
		{"The balance falls to 3 USD", m.balance("3"), []string{"TolokaBalanceLow"}},
		{"The account is topped up", m.balance("500"), nil},
		{"The token of a caller is deleted", m.deleteCaller, []string{"TolokaCallersRefused"}},
		{"That caller stops", m.leave, nil},
	}
	for i, step := range steps {
		m.heading(i+1, step.title)
		if err := step.change(ctx); err != nil {
			return fmt.Errorf("step %d (%s) failed: %w", i+1, step.title, err)
		}
		began := time.Now()
		for _, name := range step.alerts {
			if err := m.awaitAlert(ctx, name, step.alerts); err != nil {
				return fmt.Errorf("step %d (%s) failed: %w", i+1, step.title, err)
			}
			m.say("%s fires after %.0f s.", name, time.Since(began).Seconds())
		}
		if len(step.alerts) > 0 {
			continue
		}
		if err := m.awaitNoAlert(ctx); err != nil {
			return fmt.Errorf("step %d (%s) failed: %w", i+1, step.title, err)
		}
		m.say("No alert fires.")
	}
	if shown := m.shows(m.world.tokens()); len(shown) > 0 {
		return fmt.Errorf("the output above contains tokens: %s", strings.Join(shown, ", "))
	}
	m.print("\nAll %d steps succeeded. Press Ctrl-C to stop.\n", len(steps))
	return nil
}

func (m *monitor) down(context.Context) error {
	m.world.platform.SetFaults(requestertest.Reset())
	return nil
}

func (m *monitor) up(context.Context) error {
	m.world.platform.ClearFaults()
	return nil
}

func (m *monitor) delete(context.Context) error {
	m.world.deleteToken()
	return nil
}

func (m *monitor) rotate(context.Context) error {
	_, err := m.world.rotate()
	return err
}

func (m *monitor) come(ctx context.Context) error {
	m.adaComing = startTraffic(m.client, m.url, m.ada)
	m.bobComing = startTraffic(m.client, m.url, m.bob)
	return m.await(ctx, "two verified callers", func() error {
		if n := m.app.callers.Stats().Verified.Entries; n != 2 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
}

func (m *monitor) deleteCaller(context.Context) error {
	m.world.platform.DeleteToken(m.bob.token)
	return nil
}

func (m *monitor) leave(context.Context) error {
	m.bobComing.end()
	return nil
}

func (m *monitor) balance(dollars string) func(context.Context) error {
	return func(context.Context) error {
		m.world.setBalance(dollars)
		return nil
	}
}

// awaitAlert waits until this alert fires, and no other than these.
func (m *monitor) awaitAlert(ctx context.Context, name string, alerts []string) error {
	return m.await(ctx, name+" to fire", func() error {
		firing, err := m.firing()
		other := slices.ContainsFunc(firing, func(s string) bool {
			return !slices.Contains(alerts, s)
		})
		if err == nil && (other || !slices.Contains(firing, name)) {
			err = fmt.Errorf("firing: %v", firing)
		}
		return err
	})
}

// awaitNoAlert waits until all alerts have ended.
func (m *monitor) awaitNoAlert(ctx context.Context) error {
	return m.await(ctx, "all alerts to end", func() error {
		firing, err := m.firing()
		if err == nil && len(firing) > 0 {
			err = fmt.Errorf("firing: %v", firing)
		}
		return err
	})
}

// await repeats look until it returns nil.
func (m *monitor) await(ctx context.Context, what string, look func() error) error {
	ctx, cancel := context.WithTimeout(ctx, alertTimeout)
	defer cancel()
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-m.ended:
			return fmt.Errorf("waiting for %s: Prometheus has ended: %s",
				what, m.prometheus.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
	}
}

// firing returns the names of the alerts that fire, sorted.
func (m *monitor) firing() ([]string, error) {
	response, err := m.client.Get("http://" + m.address + "/api/v1/alerts")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	var names []string
	for _, alert := range answer.Data.Alerts {
		if alert.State == "firing" {
			names = append(names, alert.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return names, nil
}
