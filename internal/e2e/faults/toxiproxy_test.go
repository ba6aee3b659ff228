package faults_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// Directions of a toxic.
const (
	upstream   = "upstream"   // requests
	downstream = "downstream" // responses
)

// toxic is a fault in one direction, as in toxiproxy's API.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Attributes map[string]int `json:"attributes"`
}

// proxy is a toxiproxy between the checker and the platform.
type proxy struct {
	address string // the address that the checker connects to
	api     string
}

// api makes a connection per request, so that it leaves none open.
var api = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   20 * time.Second,
}

func startProxy(t *testing.T, platform string) *proxy {
	t.Helper()
	apiAddress := process.Reserve(t)
	host, port, err := net.SplitHostPort(apiAddress)
	require.NoError(t, err)
	p := &proxy{address: process.Reserve(t), api: "http://" + apiAddress}
	process.Start(t, toxiproxyServer, []string{"LOG_LEVEL=warn"}, "-host", host, "-port", port)
	process.Await(t, "toxiproxy to answer", func() error {
		return p.call(http.MethodGet, "/version", nil)
	})
	require.NoError(t, p.call(http.MethodPost, "/proxies",
		map[string]any{"name": "platform", "listen": p.address, "upstream": platform, "enabled": true}))
	return p
}

// add adds a toxic to open and new connections.
func (p *proxy) add(t *testing.T, toxic toxic) {
	t.Helper()
	require.NoError(t, p.call(http.MethodPost, "/proxies/platform/toxics", toxic))
}

// remove removes a toxic that add has added.
func (p *proxy) remove(t *testing.T, toxic toxic) {
	t.Helper()
	name := toxic.Type + "_" + toxic.Stream // toxiproxy's default
	require.NoError(t, p.call(http.MethodDelete, "/proxies/platform/toxics/"+name, nil))
}

// down closes all connections and refuses new ones until up.
func (p *proxy) down(t *testing.T) { p.enable(t, false) }

func (p *proxy) up(t *testing.T) { p.enable(t, true) }

func (p *proxy) enable(t *testing.T, enabled bool) {
	t.Helper()
	body := map[string]any{"enabled": enabled}
	require.NoError(t, p.call(http.MethodPost, "/proxies/platform", body))
}

func (p *proxy) call(method, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, p.api+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := api.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("toxiproxy answered %s %s with %s", method, path, resp.Status)
	}
	return nil
}
