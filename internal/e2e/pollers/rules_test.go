package pollers_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
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

// probe makes one request and judges the response. Errors and timeouts are failures.
func (r rule) probe(url string) (healthy bool) {
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
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
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && r.healthy(resp)
}

func (r rule) poller(url string) poller {
	return poller{name: r.name, in: func() (bool, error) { return r.probe(url), nil }}
}
