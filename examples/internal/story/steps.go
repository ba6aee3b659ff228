package story

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

const (
	pass = `{"status":"pass"}`
	warn = `{"status":"warn"}`
	fail = `{"status":"fail"}`

	// theAccount is the example of the platform's documentation.
	theAccount = `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,` +
		`"public_name":{"EN":"Jack Smith"},` +
		`"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`
	theBalance = `{"usd":121.3}`
)

const (
	pollers     = 8
	pollFor     = 2 * interval
	rotations   = 3
	loadClients = 4 // per route
)

const (
	healthJSON  = "Content-Type: application/health+json"
	problemJSON = "Content-Type: application/problem+json"
	retryAfter  = "Retry-After: 1"
	verifiedMsg = `msg="toloka credential verified"`
)

// start delays the platform's response, to show what the service answers in the meantime.
func (s *story) start(ctx context.Context) error {
	release := s.world.platform.Hold()
	defer release()
	verified := make(chan error, 1)
	go func() { verified <- s.app.checker.Start(ctx) }()
	if err := s.world.platform.WaitCount(ctx, 1); err != nil {
		return err
	}
	s.say("It listens before it verifies. The platform has not answered yet:")
	err := s.expect(ctx, "/readyz", http.StatusServiceUnavailable, fail, healthJSON, retryAfter)
	if err != nil {
		return err
	}
	if err := s.expectClosed(ctx); err != nil {
		return err
	}
	s.say("Now the platform answers:")
	release()
	if err := <-verified; err != nil {
		return err
	}
	if err := s.awaitLog(ctx, "level=INFO", verifiedMsg, `account.name="Jack Smith"`); err != nil {
		return err
	}
	if err := s.expect(ctx, "/readyz", http.StatusOK, pass, healthJSON); err != nil {
		return err
	}
	return s.expect(ctx, "/account", http.StatusOK, theAccount)
}

// poll shows that polls are answered from memory.
func (s *story) poll(ctx context.Context) error {
	before, began := s.world.platform.Count(), time.Now()
	load := startLoad(pollers, s.url+"/healthz")
	wait(ctx, pollFor)
	load.end()
	took, asked := time.Since(began), s.world.platform.Count()-before
	requests, failed := load.requests.Load(), load.failed.Load()
	s.say("%d polls of /healthz over %d connections in %s: %d responses with 200.",
		requests, pollers, took.Round(time.Millisecond), requests-failed)
	s.say("In that time the platform was asked %s: about every %s, however many polls arrive.",
		times(asked), interval)
	if err := load.check(); err != nil {
		return err
	}
	// The interval varies by a tenth, and one call may have been due at the start.
	if most := int(took/(interval*9/10)) + 1; asked > most {
		return fmt.Errorf("the platform was asked %s in %s, at most %s expected",
			times(asked), took, times(most))
	}
	return nil
}

func (s *story) outage(ctx context.Context) error {
	s.say("From now on it resets every connection. " +
		"The last verification is recent enough to rely on:")
	s.world.platform.SetFaults(requestertest.Reset())
	if err := s.awaitLog(ctx, "level=WARN", "status=warn", "reason=stale"); err != nil {
		return err
	}
	if err := s.expect(ctx, "/healthz", http.StatusOK, warn, healthJSON); err != nil {
		return err
	}
	return s.expect(ctx, "/account", http.StatusOK, theAccount)
}

func (s *story) recovery(ctx context.Context) error {
	s.world.platform.ClearFaults()
	err := s.awaitLog(ctx, "level=INFO", verifiedMsg, "status=pass", "previous=warn")
	if err != nil {
		return err
	}
	return s.expect(ctx, "/healthz", http.StatusOK, pass, healthJSON)
}

// rotation replaces tokens under load on both routes.
func (s *story) rotation(ctx context.Context) error {
	load := startLoad(loadClients, s.url+"/account", s.url+"/balance")
	defer load.end()
	s.say("%d clients request /account and %d request /balance, which calls the platform.",
		loadClients, loadClients)
	s.say("Meanwhile a new token is written to the file %s.", times(rotations))
	s.say("As soon as it is in use, the old one is deleted:")
	for range rotations {
		old, err := s.world.rotate()
		if err != nil {
			return err
		}
		previous := "token.previous=" + old.Fingerprint()
		err = s.awaitLog(ctx, "level=INFO", `msg="toloka credential rotated"`, previous)
		if err != nil {
			return err
		}
		s.world.platform.DeleteToken(old)
		// A request that is slower than two rotations fails: it is retried once only.
		if err := s.awaitVerified(ctx, time.Now()); err != nil {
			return err
		}
	}
	load.end()
	s.say("%d requests, %d failed.", load.requests.Load(), load.failed.Load())
	if err := load.check(); err != nil {
		return err
	}
	return s.expect(ctx, "/balance", http.StatusOK, theBalance)
}

func (s *story) deletion(ctx context.Context) error {
	s.say("This time there is no new one. The refusal is confirmed before the gate closes:")
	s.world.deleteToken()
	err := s.awaitLog(ctx, "level=ERROR", "status=fail", "reason=rejected", "AUTHENTICATION_ERROR")
	if err != nil {
		return err
	}
	if err := s.expectClosed(ctx); err != nil {
		return err
	}
	err = s.expect(ctx, "/healthz", http.StatusServiceUnavailable, fail, healthJSON)
	if err != nil {
		return err
	}
	s.say("A restart would not help, so the liveness probe still succeeds:")
	return s.expect(ctx, "/livez", http.StatusOK, pass, healthJSON)
}

func (s *story) replacement(ctx context.Context) error {
	if _, err := s.world.rotate(); err != nil {
		return err
	}
	written := time.Now()
	err := s.awaitLog(ctx, "level=INFO", verifiedMsg, "status=pass", "previous=fail")
	if err != nil {
		return err
	}
	s.say("The gate is open again without a restart, %s after the file was written:",
		time.Since(written).Round(time.Millisecond))
	if err := s.expect(ctx, "/healthz", http.StatusOK, pass, healthJSON); err != nil {
		return err
	}
	return s.expect(ctx, "/account", http.StatusOK, theAccount)
}

func (s *story) drain(ctx context.Context) error {
	s.say("Load balancers see 503 first, while requests are still answered:")
	s.app.checker.Drain()
	if err := s.awaitLog(ctx, `msg="toloka credential checker draining"`); err != nil {
		return err
	}
	const envoy = "X-Envoy-Immediate-Health-Check-Fail: true"
	err := s.expect(ctx, "/readyz", http.StatusServiceUnavailable, fail, healthJSON, envoy)
	if err != nil {
		return err
	}
	if err := s.expect(ctx, "/account", http.StatusOK, theAccount); err != nil {
		return err
	}
	if err := s.server.Shutdown(ctx); err != nil {
		return err
	}
	s.app.close()
	if err := s.awaitLog(ctx, `msg="toloka credential checker closed"`); err != nil {
		return err
	}
	return s.expectGone()
}

// expectClosed checks the response of a closed gate.
func (s *story) expectClosed(ctx context.Context) error {
	const body = `{"type":"about:blank","title":"Service Unavailable","status":503,` +
		`"detail":"The service cannot handle this request at the moment. Try again later."}`
	return s.expect(ctx, "/account", http.StatusServiceUnavailable, body, problemJSON, retryAfter)
}

// times returns "not once", "once" or "n times".
func times(n int) string {
	switch n {
	case 0:
		return "not once"
	case 1:
		return "once"
	default:
		return fmt.Sprintf("%d times", n)
	}
}
