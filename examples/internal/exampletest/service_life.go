package exampletest

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

func (s Service) testPlatform(t *testing.T) {
	t.Parallel()
	const (
		page = "<!doctype html><h1>Sign in</h1>"
		html = "text/html"
		json = "application/json"
	)
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}
	limited := Fixed(http.StatusTooManyRequests, json,
		`{"request_id":"1","code":"TOO_MANY_REQUESTS"}`)
	otherAccount := Fixed(http.StatusOK, json, `{"id": "42"}`)

	tests := []struct {
		name     string
		answer   http.HandlerFunc
		body     string // of /healthz
		log      []string
		maxStale string // default 6s
	}{
		{"answers_503", Fixed(http.StatusServiceUnavailable, html, page), warn,
			[]string{`"reason":"stale"`, "answered 503"}, ""},
		{"login_page", Fixed(http.StatusOK, html, page), warn,
			[]string{`"reason":"stale"`, "answered 200"}, ""},
		{"firewall", Fixed(http.StatusUnauthorized, html, page), warn,
			[]string{`"reason":"stale"`, "answered 401"}, ""},
		{"redirects", redirect, warn, []string{`"reason":"stale"`, "answered 302"}, ""},
		{"limits_the_rate", limited, warn, []string{`"reason":"stale"`, "answered 429"}, ""},
		{"away_for_longer_than_MAX_STALE", Fixed(http.StatusServiceUnavailable, html, page), fail,
			[]string{`"reason":"unreachable"`}, "2s"},
		{"refuses_the_token", Refuse, fail,
			[]string{`"reason":"rejected"`, "answered 401 AUTHENTICATION_ERROR"}, ""},
		{"refuses_with_empty_403", Fixed(http.StatusForbidden, "text/plain", ""), fail,
			[]string{`"reason":"rejected"`, "answered 403"}, ""},
		{"another_account", otherAccount, fail, []string{`"reason":"wrong_account"`}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := NewPlatform(t)
			r := start(t, p, "MAX_STALE="+cmp.Or(tt.maxStale, "6s")).verified(t)
			p.Answer(tt.answer)
			if tt.body == warn {
				Eventually(t, r.url+"/healthz", http.StatusOK, warn)
				Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
				r.StderrLine(t, append(tt.log, `"level":"WARN"`)...)
			} else {
				Eventually(t, r.url+"/healthz", http.StatusServiceUnavailable, fail)
				status := http.StatusServiceUnavailable
				a := Expect(t, http.MethodGet, r.url+"/account", status, s.RejectionBody)
				a.ExpectHeader(t, "Content-Type", s.RejectionType)
				a.ExpectHeader(t, "Cache-Control", "no-store")
				r.StderrLine(t, append(tt.log, `"level":"ERROR"`)...)
			}
			Expect(t, http.MethodGet, r.url+"/livez", http.StatusOK, pass)

			p.Answer(nil)
			Eventually(t, r.url+"/healthz", http.StatusOK, pass)
			Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
		})
	}
}

// testRotation replaces the token under load.
func (s Service) testRotation(t *testing.T) {
	t.Parallel()
	platform := requestertest.NewServer()
	t.Cleanup(platform.Close)
	token := platform.IssueToken("")
	secrets := []string{token.Reveal()}
	path := file(t, token.Reveal())
	r := startAt(t, platform.URL, token.Reveal(), "TOLOKA_TOKEN_FILE="+path).verified(t)

	stop := make(chan struct{})
	var requests, failures atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, err := ask(t, http.MethodGet, r.url+"/account")
				requests.Add(1)
				if err != nil || a.Status != http.StatusOK {
					failures.Add(1)
				}
			}
		})
	}
	for range 5 {
		old := token
		token = platform.IssueToken("")
		secrets = append(secrets, token.Reveal())
		overwrite(t, path, "ApiKey "+token.Reveal()+"\r\n")
		fingerprint := fmt.Sprintf("%q:%q", "token.fingerprint", token.Fingerprint())
		r.StderrLine(t, `"msg":"toloka credential rotated"`, fingerprint)
		platform.DeleteToken(old)
	}
	close(stop)
	clients.Wait()
	if requests.Load() == 0 || failures.Load() > 0 {
		t.Errorf("%d of %d requests failed", failures.Load(), requests.Load())
	}

	overwrite(t, path, "two words")
	Eventually(t, r.url+"/healthz", http.StatusOK, warn)
	Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
	NoSecrets(t, "the log", r.Stderr(), secrets)
}

func (s Service) testStopping(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(strings.ReplaceAll(sig.String(), " ", "_"), func(t *testing.T) {
			t.Parallel()
			r := start(t, NewPlatform(t)).verified(t)
			r.Signal(t, sig)
			if code := r.Wait(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			const prefix = "toloka credential checker "
			for _, msg := range []string{"stopping", prefix + "draining", prefix + "closed"} {
				r.StderrLine(t, `"level":"INFO"`, fmt.Sprintf(`"msg":%q`, msg))
			}
		})
	}
	t.Run("keeps_serving_for_DRAIN_DELAY", func(t *testing.T) {
		t.Parallel()
		const delay = 500 * time.Millisecond
		r := start(t, NewPlatform(t), "DRAIN_DELAY="+delay.String()).verified(t)
		begin := time.Now()
		r.Signal(t, syscall.SIGTERM)
		Eventually(t, r.url+"/readyz", http.StatusServiceUnavailable, fail)
		Expect(t, http.MethodGet, r.url+"/healthz", http.StatusServiceUnavailable, fail)
		Expect(t, http.MethodGet, r.url+"/livez", http.StatusOK, pass)
		Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
		r.Signal(t, syscall.SIGTERM) // a supervisor that signals the process and its group
		if code := r.Wait(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if took := time.Since(begin); took < delay {
			t.Errorf("the drain took only %s", took)
		}
	})
	t.Run("later_signal_ends_the_drain", func(t *testing.T) {
		t.Parallel()
		r := start(t, NewPlatform(t), "DRAIN_DELAY=1h").verified(t)
		begin := time.Now()
		again := time.NewTicker(50 * time.Millisecond)
		defer again.Stop()
		for r.Running() {
			// The process may end between the two calls; then the signal has nothing to reach.
			_ = r.cmd.Process.Signal(syscall.SIGTERM)
			<-again.C
			if time.Since(begin) > patience {
				t.Fatal("no signal ends the drain")
			}
		}
		if code := r.Wait(t); code != -1 {
			t.Errorf("exit code %d, not ended by the signal", code)
		}
		if took := time.Since(begin); took < time.Second {
			t.Errorf("a signal after %s ended the drain", took)
		}
	})
}
