package monitoring

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// example is the folder of the files under test.
var example = filepath.Join("..", "..", "..", "examples", "monitoring")

// faster makes the durations of the alerts and of the dashboard fit a test. The horizon of the
// predictions stays a day.
var faster = []struct{ pattern, with string }{
	{`for: [0-9]+m`, "for: 1s"},
	{`\[[0-9]+m\]`, "[6s]"},
	{`\[6h\]`, "[12s]"},
	{`\[1h\]`, "[4s]"},
	{`offset 1h`, "offset 4s"},
	{`\[\$__rate_interval\]`, "[20s]"},
}

func shorten(text string) string {
	for _, f := range faster {
		text = regexp.MustCompile(f.pattern).ReplaceAllString(text, f.with)
	}
	return text
}

// server is a running Prometheus.
type server struct{ address string }

// startPrometheus starts Prometheus with the example's configuration and these targets.
func startPrometheus(t *testing.T, targets ...string) *server {
	t.Helper()
	dir := t.TempDir()
	config := readExample(t, "prometheus.yml")
	config = regexp.MustCompile(`_interval: 15s`).ReplaceAllString(config, "_interval: 1s")
	config = strings.Replace(config, `"localhost:8080"`, `"`+strings.Join(targets, `", "`)+`"`, 1)
	require.Contains(t, config, targets[0])
	write(t, filepath.Join(dir, "prometheus.yml"), config)
	write(t, filepath.Join(dir, "alerts.yml"), shorten(readExample(t, "alerts.yml")))

	s := &server{address: process.Reserve(t)}
	p := process.Start(t, process.Find(t, "prometheus"), nil,
		"--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+s.address)
	process.Await(t, "Prometheus to be ready", func() error {
		response, err := http.Get("http://" + s.address + "/-/ready")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, p.Output())
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		return nil
	})
	return s
}

func readExample(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(example, name))
	require.NoError(t, err)
	return string(data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// firing returns the names of the alerts that fire, with their number.
func (s *server) firing() (map[string]int, error) {
	var data struct {
		Alerts []struct {
			State  string            `json:"state"`
			Labels map[string]string `json:"labels"`
		} `json:"alerts"`
	}
	if err := s.get("/api/v1/alerts", &data); err != nil {
		return nil, err
	}
	names := map[string]int{}
	for _, alert := range data.Alerts {
		if alert.State == "firing" {
			names[alert.Labels["alertname"]]++
		}
	}
	return names, nil
}

// query returns the number of series that an expression has now.
func (s *server) query(expression string) (int, error) {
	var data struct {
		Result []json.RawMessage `json:"result"`
	}
	err := s.get("/api/v1/query?"+url.Values{"query": {expression}}.Encode(), &data)
	return len(data.Result), err
}

func (s *server) get(path string, data any) error {
	response, err := http.Get("http://" + s.address + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return json.Unmarshal(answer.Data, data)
}
