package pollers_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// haproxyChecks are health checks by backend name: what follows "option httpchk". Without a method,
// HAProxy sends OPTIONS.
var haproxyChecks = map[string]string{
	"options-healthz": "/healthz",
	"get-healthz":     "GET /healthz",
	"get-readyz":      "GET /readyz",
}

// haproxyMain surrounds the backends of testdata/haproxy.cfg.
const haproxyMain = `global
	maxconn 256
	nbthread 1

defaults
	mode http
	timeout connect 1s
	timeout client 10s
	timeout server 10s
	# A request that meets a stopped server is lost, so that the tests notice. Do not copy this.
	retries 0

frontend stats
	bind %s
	stats enable
	stats uri /
`

// haproxyFrontend passes requests to one backend.
const haproxyFrontend = `
frontend %[1]s-in
	bind %[2]s
	default_backend %[1]s
	http-response set-header X-Server %%s

`

// haproxy is an HAProxy that has the same servers in one backend per check.
type haproxy struct {
	stats  string
	listen map[string]string // by backend
}

// row is one server in one backend in HAProxy's statistics.
type row map[string]string

// startHAProxy starts an HAProxy and waits until every check succeeds.
func startHAProxy(t *testing.T, servers ...string) *haproxy {
	t.Helper()
	h := runHAProxy(t, haproxyChecks, servers...)
	process.Await(t, "HAProxy's first checks", func() error {
		for name := range haproxyChecks {
			for _, server := range servers {
				row, err := h.row(name, server)
				if err != nil || row["status"] != "UP" || row["check_status"] != "L7OK" {
					return fmt.Errorf("%s in %s: %q, %w", server, name, row["check_status"], err)
				}
			}
		}
		return nil
	})
	return h
}

// runHAProxy starts an HAProxy with testdata/haproxy.cfg once per check.
func runHAProxy(t *testing.T, checks map[string]string, servers ...string) *haproxy {
	t.Helper()
	h := &haproxy{stats: process.Reserve(t), listen: map[string]string{}}
	text := fmt.Sprintf(haproxyMain, h.stats)
	for name, check := range checks {
		h.listen[name] = process.Reserve(t)
		var lines strings.Builder
		for _, server := range servers {
			fmt.Fprintf(&lines, "\tserver %s %s\n", server, server)
		}
		backend := readConfig(t, "haproxy.cfg").
			replace(t, "backend service\n", "backend "+name+"\n").
			replace(t, "option httpchk GET /readyz\n", "option httpchk "+check+"\n").
			replace(t, "inter 2s", "inter 100ms").
			replace(t, "\tserver service-1 "+server1+"\n", lines.String()).
			replace(t, "\tserver service-2 "+server2+"\n", "")
		text += fmt.Sprintf(haproxyFrontend, name, h.listen[name]) + backend.text
	}
	path := (&config{"haproxy.cfg", text}).write(t)
	process.Start(t, process.Find(t, "haproxy"), nil, "-db", "-f", path)
	return h
}

// url is the URL of a path behind HAProxy, in the backend with the given check.
func (h *haproxy) url(check, path string) string { return "http://" + h.listen[check] + path }

// row reads the statistics page as CSV.
func (h *haproxy) row(check, server string) (row, error) {
	status, body, _, err := ask("http://" + h.stats + "/;csv;norefresh")
	if err != nil {
		return nil, err
	}
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "# "))).ReadAll()
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("HAProxy's statistics: %d, %w", status, err)
	}
	for _, record := range records {
		if record[0] == check && record[1] == server {
			r := row{}
			for i, name := range records[0] {
				r[name] = record[i]
			}
			return r, nil
		}
	}
	return nil, fmt.Errorf("HAProxy's statistics do not have %s in %s", server, check)
}

// in reports whether a server gets requests. HAProxy's status is "UP 1/2" while it counts failed
// checks, and "DOWN 1/2" while it counts successful ones.
func (h *haproxy) in(check, server string) (bool, error) {
	row, err := h.row(check, server)
	return strings.HasPrefix(row["status"], "UP"), err
}

// is returns a function for process.Await.
func (h *haproxy) is(check, server string, in bool) func() error {
	return func() error {
		is, err := h.in(check, server)
		if err == nil && is != in {
			err = errors.New("not yet")
		}
		return err
	}
}

// pollers returns one poller per check.
func (h *haproxy) pollers(server string) []poller {
	var pollers []poller
	for check := range haproxyChecks {
		pollers = append(pollers, poller{
			name: "HAProxy " + check,
			in:   func() (bool, error) { return h.in(check, server) },
			outs: func(t *testing.T) int {
				row, err := h.row(check, server)
				require.NoError(t, err)
				outs, err := strconv.Atoi(row["chkdown"])
				require.NoError(t, err)
				return outs
			},
		})
	}
	return pollers
}
