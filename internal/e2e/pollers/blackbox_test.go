package pollers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

var probeSuccess = regexp.MustCompile(`(?m)^probe_success ([01])$`)

// blackbox is a Prometheus blackbox exporter. The test takes the place of Prometheus.
type blackbox struct{ listen string }

func startBlackbox(t *testing.T) *blackbox {
	t.Helper()
	b := &blackbox{listen: process.Reserve(t)}
	config, err := filepath.Abs(filepath.Join("testdata", "blackbox.yml"))
	require.NoError(t, err)
	process.Start(t, process.Find(t, "prometheus-blackbox-exporter"), nil,
		"--config.file="+config, "--web.listen-address="+b.listen, "--log.level=error")
	process.Await(t, "the blackbox exporter to answer", func() error {
		return get("http://"+b.listen+"/-/healthy", http.StatusOK, "")
	})
	return b
}

// probe reports whether the exporter's probe of a target succeeds.
func (b *blackbox) probe(module, target string) (bool, error) {
	query := url.Values{"module": {module}, "target": {target}}
	status, body, _, err := ask("http://" + b.listen + "/probe?" + query.Encode())
	if err != nil {
		return false, err
	}
	match := probeSuccess.FindStringSubmatch(body)
	if status != http.StatusOK || match == nil {
		return false, fmt.Errorf("the blackbox exporter answered %d %q", status, body)
	}
	return match[1] == "1", nil
}

func (b *blackbox) poller(target string) poller {
	u, err := url.Parse(target)
	return poller{
		name: "blackbox exporter, " + u.Path,
		in: func() (bool, error) {
			if err != nil {
				return false, err
			}
			return b.probe("http_2xx", target)
		},
	}
}
