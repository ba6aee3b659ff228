package pollers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// rule is how a prober that is not installed here judges a response, by its documentation.
type rule struct {
	name    string
	timeout time.Duration
	header  map[string]string
	// redirect decides about redirects as http.Client.CheckRedirect does.
	redirect func(req *http.Request, via []*http.Request) error
	healthy  func(resp *http.Response) bool
}

func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func exactly200(resp *http.Response) bool { return resp.StatusCode == http.StatusOK }

var rules = []rule{
	{
		// httpGet probes: 200 to 399 within 1 s by default. It follows redirects on the same host
		// only, ten at most, and counts a redirect to another host as success.
		name:    "kubelet",
		timeout: time.Second,
		header:  map[string]string{"User-Agent": "kube-probe/1.34", "Accept": "*/*"},
		redirect: func(req *http.Request, via []*http.Request) error {
			if req.URL.Hostname() != via[0].URL.Hostname() {
				return http.ErrUseLastResponse
			}
			if len(via) >= 10 {
				return errors.New("stopped after 10 redirects")
			}
			return nil
		},
		healthy: func(resp *http.Response) bool {
			return resp.StatusCode >= 200 && resp.StatusCode < 400
		},
	},
	{
		// http_health_check without expected_statuses: 200 only.
		name:     "Envoy",
		timeout:  time.Second,
		header:   map[string]string{"User-Agent": "Envoy/HC"},
		redirect: noRedirects,
		healthy:  exactly200,
	},
	{
		// Application Load Balancer with the default matcher: 200 only, within 5 s.
		name:     "AWS ALB",
		timeout:  5 * time.Second,
		header:   map[string]string{"User-Agent": "ELB-HealthChecker/2.0"},
		redirect: noRedirects,
		healthy:  exactly200,
	},
}

// attempts is how often a probe without a response is made. The probers above have such a threshold
// too; here it keeps the tests stable on a busy machine. An unhealthy response
// counts at once.
const attempts = 3

// probe reports whether the service gets requests by this rule.
func (r rule) probe(url string) (healthy bool) {
	for range attempts {
		if healthy, err := r.request(url); err == nil {
			return healthy
		}
	}
	return false
}

// request makes one request and judges the response.
func (r rule) request(url string) (healthy bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	for key, value := range r.header {
		req.Header.Set(key, value)
	}
	prober := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: r.redirect,
	}
	resp, err := prober.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return r.healthy(resp), err
}

func (r rule) poller(url string) poller {
	return poller{name: r.name, in: func() (bool, error) { return r.probe(url), nil }}
}

func TestRules(t *testing.T) {
	t.Parallel()
	redirect := func(target string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target, http.StatusFound)
		}
	}
	mux := http.NewServeMux()
	for _, status := range []int{200, 204, 304, 404, 429, 503} {
		mux.HandleFunc(fmt.Sprintf("/%d", status), func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		})
	}
	mux.HandleFunc("/to-200", redirect("/200"))
	mux.HandleFunc("/to-503", redirect("/503"))
	mux.HandleFunc("/to-itself", redirect("/to-itself"))
	mux.HandleFunc("/elsewhere", redirect("http://another-host.invalid/"))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	healthy := map[string][]string{ // paths by rule
		"kubelet": {"/200", "/204", "/304", "/to-200", "/elsewhere"},
		"Envoy":   {"/200"},
		"AWS ALB": {"/200"},
	}
	paths := []string{"/200", "/204", "/304", "/404", "/429", "/503",
		"/to-200", "/to-503", "/to-itself", "/elsewhere"}
	for _, rule := range rules {
		for _, path := range paths {
			want := slices.Contains(healthy[rule.name], path)
			assert.Equal(t, want, rule.probe(server.URL+path), "%s %s", rule.name, path)
		}
	}
}
