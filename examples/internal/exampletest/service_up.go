package exampletest

import (
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
)

func (s Service) testHealthy(t *testing.T) {
	t.Parallel()
	p := NewPlatform(t)
	r := start(t, p).verified(t)

	t.Run("health_endpoints", func(t *testing.T) {
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
			a := Ask(t, http.MethodPost, r.url+path)
			if a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") == "" {
				t.Errorf("POST %s: %d, Allow: %q", path, a.Status, a.Header.Get("Allow"))
			}
		}
	})
	t.Run("account", func(t *testing.T) {
		a := Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
		a.ExpectHeader(t, "Content-Type", "application/json")
		a.ExpectHeader(t, "Cache-Control", "no-store")
	})
	t.Run("no_details", func(t *testing.T) {
		Expect(t, http.MethodGet, r.url+"/healthz?verbose", http.StatusOK, pass)
	})
	t.Run("empty_variable_counts_as_unset", func(t *testing.T) {
		start(t, p, "DRAIN_DELAY=", "TOLOKA_ENVIRONMENT=").verified(t)
	})
	t.Run("systemd_credential", func(t *testing.T) {
		dir := t.TempDir()
		overwrite(t, filepath.Join(dir, "toloka-token"), p.Token()+"\n")
		r := start(t, p, "TOLOKA_TOKEN=", "CREDENTIALS_DIRECTORY="+dir).verified(t)
		r.StderrLine(t, `"msg":"toloka credential verified"`, `/toloka-token"`)
	})
	t.Run("logs_the_account", func(t *testing.T) {
		r.StderrLine(t, `"level":"INFO"`, `"msg":"toloka credential verified"`,
			`"account.name":"Jack Smith"`, `"token.source":"env:TOLOKA_TOKEN"`)
	})
}

func (s Service) testStarting(t *testing.T) {
	t.Parallel()
	t.Run("listens_before_it_verifies", func(t *testing.T) {
		t.Parallel()
		p := NewPlatform(t)
		asked, answerNow := p.hold()
		r := start(t, p)
		<-asked
		Expect(t, http.MethodGet, r.url+"/livez", http.StatusOK, pass)
		for _, path := range []string{"/startupz", "/healthz", "/readyz"} {
			Expect(t, http.MethodGet, r.url+path, http.StatusServiceUnavailable, fail)
		}
		a := Expect(t, http.MethodGet, r.url+"/account", http.StatusServiceUnavailable,
			s.RejectionBody)
		a.ExpectHeader(t, "Content-Type", s.RejectionType)
		a.ExpectHeader(t, "Retry-After", "1")
		answerNow()
		r.verified(t)
		Expect(t, http.MethodGet, r.url+"/account", http.StatusOK, AccountJSON)
	})
	t.Run("waits_for_the_platform", func(t *testing.T) {
		t.Parallel()
		p := NewPlatform(t)
		p.Answer(Fixed(http.StatusServiceUnavailable, "text/html", "<h1>503</h1>"))
		r := start(t, p)
		Expect(t, http.MethodGet, r.url+"/healthz", http.StatusServiceUnavailable, fail)
		p.Answer(nil)
		r.verified(t)
	})
	t.Run("SIGTERM_ends_a_slow_start", func(t *testing.T) {
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
}
