package exampletest

import (
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
	const page = "<!doctype html><h1>Sign in</h1>"
	tests := []struct {
		name   string
		answer http.HandlerFunc
		env    []string
		status int
		body   string // of /healthz
		open   bool   // the gate
		log    []string
	}{
		{"is out of order", Fixed(http.StatusServiceUnavailable, "text/html", page), nil, 200, warn, true, []string{`"WARN"`, `"reason":"stale"`, "answered 503"}},
		{"hangs", Hang, []string{"CHECK_TIMEOUT=200ms"}, 200, warn, true, []string{`"WARN"`, `"reason":"stale"`, "not within 200ms"}},
		{"is away for longer than MAX_STALE", Hang, []string{"CHECK_TIMEOUT=100ms", "MAX_STALE=500ms"}, 503, fail, false, []string{`"ERROR"`, `"reason":"unreachable"`}},
		{"is hidden behind a login page", Fixed(http.StatusOK, "text/html", page), nil, 200, warn, true, []string{`"WARN"`, `"reason":"stale"`, "answered 200"}},
		{"is hidden behind a firewall", Fixed(http.StatusUnauthorized, "text/html", page), nil, 200, warn, true, []string{`"WARN"`, `"reason":"stale"`, "answered 401"}},
		{"redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, nil, 200, warn, true, []string{`"WARN"`, `"reason":"stale"`, "answered 302"}},
		{"limits the rate", Fixed(http.StatusTooManyRequests, "application/json", `{"request_id": "1", "code": "TOO_MANY_REQUESTS"}`), nil, 200, warn, true, []string{`"WARN"`, `"reason":"stale"`, "answered 429"}},
		{"refuses the token", Refuse, nil, 503, fail, false, []string{`"ERROR"`, `"reason":"rejected"`, "answered 401 AUTHENTICATION_ERROR"}},
		{"refuses with an empty 403", Fixed(http.StatusForbidden, "text/plain", ""), nil, 503, fail, false, []string{`"ERROR"`, `"reason":"rejected"`, "answered 403"}},
		{"names another account", Fixed(http.StatusOK, "application/json", `{"id": "42"}`), nil, 503, fail, false, []string{`"ERROR"`, `"reason":"wrong_account"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := NewPlatform(t)
			r := start(t, p, test.env...).verified(t)
			p.Answer(test.answer)
			Eventually(t, r.url+"/healthz", test.status, test.body)
			Expect(t, http.MethodGet, r.url+"/livez", http.StatusOK, pass)
			if test.open {
				Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
			} else {
				a := Expect(t, http.MethodGet, r.url+"/account", http.StatusServiceUnavailable, s.RejectionBody)
				a.ExpectHeader(t, "Content-Type", s.RejectionType)
			}
			r.StderrLine(t, test.log...)

			p.Answer(nil)
			Eventually(t, r.url+"/healthz", http.StatusOK, pass)
			Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
		})
	}
}

func (s Service) testRotation(t *testing.T) {
	t.Parallel()
	t.Run("SIGHUP has a new token read and used", func(t *testing.T) {
		t.Parallel()
		p := NewPlatform(t)
		path := file(t, p.Token())
		r := start(t, p, "TOLOKA_TOKEN_FILE="+path, "POLL_INTERVAL=1h", "CHECK_INTERVAL=1m").verified(t)

		old := p.Token()
		p.SetToken("AQVN" + strings.Repeat("z", 40))
		overwrite(t, path, "ApiKey "+p.Token()+"\r\n")
		r.Signal(t, syscall.SIGHUP)
		r.StderrLine(t, `"msg":"toloka credential rotated"`, "AQVN…#")
		r.StderrLine(t, `"msg":"refreshed on SIGHUP"`, "AQVN…#")
		Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
		NoSecrets(t, "the log", r.Stderr(), []string{old, p.Token()})
	})
	t.Run("SIGHUP tells when there is nothing good", func(t *testing.T) {
		t.Parallel()
		p := NewPlatform(t)
		path := file(t, p.Token())
		r := start(t, p, "TOLOKA_TOKEN_FILE="+path, "POLL_INTERVAL=1h", "CHECK_INTERVAL=1m").verified(t)
		overwrite(t, path, "two words")
		r.Signal(t, syscall.SIGHUP)
		r.StderrLine(t, `"level":"WARN","msg":"refresh on SIGHUP failed"`, "white space")
		Eventually(t, r.url+"/healthz", http.StatusOK, warn)
		Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
	})
	t.Run("no request fails while tokens are replaced under load", func(t *testing.T) {
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
		for i := range 5 {
			old := token
			token = platform.IssueToken("")
			secrets = append(secrets, token.Reveal())
			overwrite(t, path, token.Reveal())
			if i == 2 {
				r.Signal(t, syscall.SIGHUP)
			}
			r.StderrLine(t, `"msg":"toloka credential rotated"`, fmt.Sprintf("%q:%q", "token.fingerprint", token.Fingerprint()))
			platform.DeleteToken(old)
		}
		close(stop)
		clients.Wait()
		if requests.Load() == 0 || failures.Load() > 0 {
			t.Errorf("%d of %d requests failed", failures.Load(), requests.Load())
		}
		NoSecrets(t, "the log", r.Stderr(), secrets)
	})
}

func (s Service) testStopping(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(fmt.Sprintf("%s ends it at once without DRAIN_DELAY", sig), func(t *testing.T) {
			t.Parallel()
			r := start(t, NewPlatform(t)).verified(t)
			r.Signal(t, sig)
			if code := r.Wait(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			for _, msg := range []string{"stopping", "toloka credential checker draining", "toloka credential checker closed"} {
				r.StderrLine(t, `"level":"INFO"`, fmt.Sprintf(`"msg":%q`, msg))
			}
		})
	}
	t.Run("DRAIN_DELAY is time for load balancers, and the gate stays open in it", func(t *testing.T) {
		t.Parallel()
		const delay = 500 * time.Millisecond
		r := start(t, NewPlatform(t), "DRAIN_DELAY="+delay.String()).verified(t)
		asked := time.Now()
		r.Signal(t, syscall.SIGTERM)
		Eventually(t, r.url+"/readyz", http.StatusServiceUnavailable, fail)
		Expect(t, http.MethodGet, r.url+"/healthz", http.StatusServiceUnavailable, fail)
		Expect(t, http.MethodGet, r.url+"/livez", http.StatusOK, pass)
		Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
		if code := r.Wait(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if took := time.Since(asked); took < delay {
			t.Errorf("it went on for %s only", took)
		}
	})
	t.Run("a second signal does not wait", func(t *testing.T) {
		t.Parallel()
		r := start(t, NewPlatform(t), "DRAIN_DELAY=1h").verified(t)
		r.Signal(t, syscall.SIGTERM)
		Eventually(t, r.url+"/readyz", http.StatusServiceUnavailable, fail)
		r.Signal(t, syscall.SIGTERM)
		if code := r.Wait(t); code != -1 {
			t.Errorf("exit code %d, not killed by the signal", code)
		}
	})
}
