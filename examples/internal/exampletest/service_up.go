package exampletest

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
)

func (s Service) testHealthy(t *testing.T) {
	t.Parallel()
	p := NewPlatform(t)
	r := start(t, p).verified(t)

	t.Run("the health endpoints answer GET, HEAD and OPTIONS alike", func(t *testing.T) {
		for _, path := range []string{"/healthz", "/readyz", "/livez", "/startupz"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
				body := pass
				if method == http.MethodHead {
					body = ""
				}
				a := Expect(t, method, r.url+path, http.StatusOK, body)
				a.ExpectHeader(t, "Content-Type", "application/health+json")
				a.ExpectHeader(t, "Cache-Control", "no-store")
			}
			if a := Ask(t, http.MethodPost, r.url+path); a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") == "" {
				t.Errorf("POST %s: %d, Allow: %q", path, a.Status, a.Header.Get("Allow"))
			}
		}
	})
	t.Run("the account is the platform's, as JSON", func(t *testing.T) {
		a := Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
		a.ExpectHeader(t, "Content-Type", "application/json")
	})
	t.Run("without HEALTH_DETAILS there are none", func(t *testing.T) {
		Expect(t, http.MethodGet, r.url+"/healthz?verbose", http.StatusOK, pass)
	})
	t.Run("with HEALTH_DETAILS=1 there are, but for the token", func(t *testing.T) {
		r := start(t, p, "HEALTH_DETAILS=1").verified(t)
		body := Ask(t, http.MethodGet, r.url+"/healthz?verbose").Body
		for _, part := range []string{`"toloka:credential"`, `"reason":"verified"`, `"566ec2b0ff0deeaae5f9d500629de162"`, `121.3`, `"env:TOLOKA_TOKEN"`} {
			if !strings.Contains(body, part) {
				t.Errorf("%s is missing in %s", part, body)
			}
		}
		NoSecrets(t, "the details", body, []string{p.Token()})
	})
	t.Run("a balance below MIN_BALANCE is a warning", func(t *testing.T) {
		r := start(t, p, "MIN_BALANCE=121.31")
		Eventually(t, r.url+"/healthz", http.StatusOK, warn)
		Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
	})
	t.Run("empty variables count as unset", func(t *testing.T) {
		start(t, p, "MIN_BALANCE=", "EXPECT_ACCOUNT=", "MAX_STALE=", "DRAIN_DELAY=", "HEALTH_DETAILS=", "TOLOKA_ENVIRONMENT=").verified(t)
	})
	t.Run("a systemd credential is found", func(t *testing.T) {
		path := file(t, p.Token()+"\n")
		overwrite(t, strings.TrimSuffix(path, "token")+"toloka-token", p.Token())
		r := start(t, p, "TOLOKA_TOKEN=", "CREDENTIALS_DIRECTORY="+strings.TrimSuffix(path, "/token")).verified(t)
		r.StderrLine(t, `"msg":"toloka credential verified"`, `/toloka-token"`)
	})
	t.Run("the expected account is verified", func(t *testing.T) {
		r := start(t, p, "EXPECT_ACCOUNT=566ec2b0ff0deeaae5f9d500629de162").verified(t)
		r.StderrLine(t, `"level":"INFO"`, `"msg":"toloka credential verified"`, `"account.name":"Jack Smith"`, `"token.source":"env:TOLOKA_TOKEN"`)
	})
}

func (s Service) testStarting(t *testing.T) {
	t.Parallel()
	t.Run("it listens before it verifies", func(t *testing.T) {
		t.Parallel()
		p := NewPlatform(t)
		asked, answerNow := p.hold()
		r := start(t, p)
		<-asked
		Expect(t, http.MethodGet, r.url+"/livez", http.StatusOK, pass)
		for _, path := range []string{"/startupz", "/healthz", "/readyz"} {
			Expect(t, http.MethodGet, r.url+path, http.StatusServiceUnavailable, fail)
		}
		a := Expect(t, http.MethodGet, r.url+"/account", http.StatusServiceUnavailable, s.RejectionBody)
		a.ExpectHeader(t, "Content-Type", s.RejectionType)
		a.ExpectHeader(t, "Retry-After", "1")
		answerNow()
		r.verified(t)
		Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
	})
	t.Run("it waits for a platform that is down", func(t *testing.T) {
		t.Parallel()
		p := NewPlatform(t)
		p.Answer(Fixed(http.StatusServiceUnavailable, "text/html", "<h1>503</h1>"))
		r := start(t, p)
		Expect(t, http.MethodGet, r.url+"/healthz", http.StatusServiceUnavailable, fail)
		p.Answer(nil)
		r.verified(t)
	})
	t.Run("SIGTERM ends a start that takes long, without an error", func(t *testing.T) {
		t.Parallel()
		p := NewPlatform(t)
		asked, _ := p.hold()
		r := start(t, p)
		<-asked
		r.Signal(t, syscall.SIGTERM)
		if code := r.Wait(t); code != 0 {
			t.Errorf("exit code %d\n%s", code, r.Stderr())
		}
	})
	t.Run("SIGHUP in the middle of a start does not kill it", func(t *testing.T) {
		t.Parallel()
		p := NewPlatform(t)
		asked, answerNow := p.hold()
		r := start(t, p)
		<-asked
		r.Signal(t, syscall.SIGHUP)
		answerNow()
		r.StderrLine(t, `"msg":"refreshed on SIGHUP"`)
		r.verified(t)
	})
}
