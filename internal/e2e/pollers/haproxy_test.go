package pollers_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// checks are the ways to have HAProxy check a service, by the name of the section: what follows "option httpchk". Without a
// method it is OPTIONS.
var checks = map[string]string{
	"options-healthz": "/healthz",
	"get-healthz":     "GET /healthz",
	"get-readyz":      "GET /readyz",
}

// haproxy is an HAProxy that has the same servers once for each of the checks.
type haproxy struct {
	stats  string
	listen map[string]string
}

// row is what HAProxy says about one server in one section.
type row map[string]string

func startHAProxy(t *testing.T, servers ...string) *haproxy {
	t.Helper()
	type section struct{ Name, Listen, Check string }
	h := &haproxy{stats: process.Reserve(t), listen: map[string]string{}}
	var sections []section
	for name, check := range checks {
		h.listen[name] = process.Reserve(t)
		sections = append(sections, section{name, h.listen[name], check})
	}
	path := fillIn(t, "haproxy.cfg", map[string]any{"Stats": h.stats, "Sections": sections, "Servers": servers})
	process.Start(t, process.Find(t, "haproxy"), nil, "-db", "-f", path)
	process.Await(t, "HAProxy to make its first checks", func() error {
		for name := range checks {
			for _, server := range servers {
				if row, err := h.row(name, server); err != nil || row["status"] != "UP" || row["check_status"] != "L7OK" {
					return fmt.Errorf("server %s in %s: %q, %w", server, name, row["check_status"], err)
				}
			}
		}
		return nil
	})
	return h
}

// url is where HAProxy passes on requests, to the servers that pass the check.
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

// in reports whether a server gets requests. HAProxy says "UP 1/2" while it counts bad checks, and "DOWN 1/2" good ones.
func (h *haproxy) in(check, server string) (bool, error) {
	row, err := h.row(check, server)
	return strings.HasPrefix(row["status"], "UP"), err
}

// poller is HAProxy with one of its checks.
func (h *haproxy) poller(check, server string) poller {
	return poller{
		name: "HAProxy " + check,
		in:   func() (bool, error) { return h.in(check, server) },
		outs: func(t *testing.T) int {
			row, err := h.row(check, server)
			require.NoError(t, err)
			outs, err := strconv.Atoi(row["chkdown"])
			require.NoError(t, err)
			return outs
		},
	}
}

// fillIn writes a configuration from testdata, with the values filled in, to a folder of the test's own.
func fillIn(t *testing.T, name string, values map[string]any) (path string) {
	t.Helper()
	config, err := template.ParseFiles(filepath.Join("testdata", name))
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), name)
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, config.Execute(file, values))
	require.NoError(t, file.Close())
	return path
}
