package middleware_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// The page shows counts of callers, and neither their tokens nor their accounts.
func TestStatus_callers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t, middleware.WithUnknownBudget(1, 4),
			middleware.WithSharedCallers(sharedtest.NewMemory()))
		page := newStatus(because(health.ReasonVerified), toAll, middleware.WithCallers(w.callers))
		body := ask(page, http.MethodGet, "/statusz").Body.String()
		assertComplete(t, body)
		assert.Contains(t, body, "<dt>Calls to the platform</dt>\n<dd><bdi>none</bdi></dd>")

		w.platform.SetAccount(requestertest.Account{ID: "canary-account"})
		good, other := w.platform.IssueToken("canary-account"), w.platform.IssueToken("canary-account")
		w.send(nil)
		w.use(good)
		w.send([]string{authorization(other)}, middleware.AllowAccounts("1"))
		for i := range 3 { // one more than the budget allows
			w.use(made(i))
		}
		time.Sleep(ttl)
		w.platform.SetFaults(requestertest.Status(500))
		w.use(good)
		synctest.Wait() // answers are stored in the background

		body = ask(page, http.MethodGet, "/statusz").Body.String()
		assertComplete(t, body)
		golden := filepath.Join("testdata", "status", "callers.html")
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(body), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), body)
		for _, secret := range []string{
			"canary-account", good.Reveal()[:8], good.Fingerprint(), made(0).Reveal(), made(0).Fingerprint(),
		} {
			assert.NotContains(t, body, secret)
		}
	})
}

func TestWithCallers_wiring(t *testing.T) {
	w := newCallersWorld(t)
	good := because(health.ReasonVerified)
	_, err := middleware.Routes(good, toAll, middleware.WithStatusPage(), middleware.WithCallers(nil))
	assert.EqualError(t, err,
		"middleware: Routes: WithCallers: the Callers is nil; handle the error of NewCallers first")
	none := middleware.WithCallers(new(middleware.Callers))
	_, err = middleware.Routes(good, toAll, middleware.WithStatusPage(), none)
	assert.EqualError(t, err, "middleware: Routes: WithCallers: the Callers is not from NewCallers")
	_, err = middleware.Routes(good, middleware.WithCallers(w.callers))
	assert.EqualError(t, err,
		"middleware: Routes: WithCallers: only the status page shows callers; add WithStatusPage")

	routes := must(middleware.Routes(good, toAll, middleware.WithStatusPage(), middleware.WithCallers(w.callers)))
	for path, endpoint := range routes {
		body := ask(endpoint, http.MethodGet, path+"?verbose").Body.String()
		if path == "/statusz" {
			assert.Contains(t, body, `id="callers"`)
		} else {
			assert.NotContains(t, body, "callers")
		}
	}
}
