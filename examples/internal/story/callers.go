package story

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// mine tells a caller which account its token belongs to.
func mine(w http.ResponseWriter, r *http.Request) {
	caller, _ := middleware.CallerFrom(r.Context()) // always present behind the gate for callers
	writeJSON(w, map[string]any{"account": caller.Account.ID(), "stale": caller.Stale})
}

// caller is a client of the service with a token and an account of its own.
type caller struct {
	name  string // also the id of the account
	token credentials.Token
}

func (w *world) newCaller(name string) caller {
	w.platform.SetAccount(requestertest.Account{ID: name})
	token := w.platform.IssueToken(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.callers = append(w.callers, token)
	return caller{name, token}
}

// ask makes the caller's request to the service on url.
func (c caller) ask(
	ctx context.Context, client *http.Client, url string,
) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/mine", nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", string(credentials.SchemeAPIKey)+" "+c.token.Reveal())
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text)), err
}

// seen returns the body of the response that the caller gets if it is let through.
func (c caller) seen(stale bool) string {
	return fmt.Sprintf(`{"account":%q,"stale":%v}`, c.name, stale)
}

// callerPause is the time between two requests of a caller.
const callerPause = 20 * time.Millisecond

// awaitCaller repeats a caller's request until it gets this response, and prints that. Responses
// before must have the status 200.
func (s *story) awaitCaller(ctx context.Context, c caller, status int, body string) error {
	for {
		got, text, err := c.ask(ctx, s.client, s.url)
		switch {
		case err != nil:
			return err
		case got == status && text == body:
			s.say("GET /mine of %s -> %d %s", c.name, status, http.StatusText(status))
			s.say("    %s", text)
			return nil
		case got != http.StatusOK:
			return fmt.Errorf("GET /mine of %s: %d %s, not %d %s", c.name, got, text, status, body)
		}
		wait(ctx, callerPause)
	}
}

const (
	unauthorized = `{"type":"about:blank","title":"Unauthorized","status":401,` +
		`"detail":"Send a valid API token as Authorization: ApiKey TOKEN."}`
	unverifiable = `{"type":"about:blank","title":"Service Unavailable","status":503,` +
		`"detail":"The service cannot verify the API token at the moment. Try again later."}`
)

// callers shows two callers, of whom one loses its token.
func (s *story) callers(ctx context.Context) error {
	s.ada, s.bob = s.world.newCaller("ada"), s.world.newCaller("bob")
	s.say("Each request to /mine brings a token. The service asks the platform whose it is:")
	for _, c := range []caller{s.ada, s.bob} {
		if err := s.awaitCaller(ctx, c, http.StatusOK, c.seen(false)); err != nil {
			return err
		}
	}
	s.say("The token of bob is deleted on the platform. The refusal is confirmed first:")
	s.world.platform.DeleteToken(s.bob.token)
	if err := s.awaitCaller(ctx, s.bob, http.StatusUnauthorized, unauthorized); err != nil {
		return err
	}
	return s.awaitCaller(ctx, s.ada, http.StatusOK, s.ada.seen(false))
}

// callersOutage shows that an outage is not taken for a refusal.
func (s *story) callersOutage(ctx context.Context) error {
	s.world.platform.SetFaults(requestertest.Reset())
	if err := s.awaitLog(ctx, "level=WARN", "reason=stale"); err != nil {
		return err
	}
	s.say("A caller that was verified stays in. One that was not gets 503, never 401:")
	if err := s.awaitCaller(ctx, s.ada, http.StatusOK, s.ada.seen(true)); err != nil {
		return err
	}
	eve := s.world.newCaller("eve")
	if err := s.awaitCaller(ctx, eve, http.StatusServiceUnavailable, unverifiable); err != nil {
		return err
	}
	s.say("The platform comes back:")
	s.world.platform.ClearFaults()
	if err := s.awaitLog(ctx, "level=INFO", verifiedMsg, "previous=warn"); err != nil {
		return err
	}
	return s.awaitCaller(ctx, s.ada, http.StatusOK, s.ada.seen(false))
}

// traffic is a caller that sends requests all the time, whatever the responses.
type traffic struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

func startTraffic(client *http.Client, url string, c caller) *traffic {
	ctx, stop := context.WithCancel(context.Background())
	t := &traffic{stop: stop}
	t.done.Go(func() {
		for ctx.Err() == nil {
			_, _, _ = c.ask(ctx, client, url)
			wait(ctx, callerPause)
		}
	})
	return t
}

// end may be called more than once.
func (t *traffic) end() {
	t.stop()
	t.done.Wait()
}
