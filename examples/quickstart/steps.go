package main

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

	// theAccount is the one of the platform's documentation.
	theAccount = `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,"public_name":{"EN":"Jack Smith"},"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`
	theBalance = `{"usd":121.3}`
)

const (
	pollers     = 8
	pollFor     = 4 * interval
	rotations   = 3
	loadClients = 4 // for each of two routes
)

const (
	healthJSON  = "Content-Type: application/health+json"
	problemJSON = "Content-Type: application/problem+json"
)

// closed is the body of a rejected request.
const closed = `{"type":"about:blank","title":"Service Unavailable","status":503,` +
	`"detail":"The service cannot handle this request at the moment. Try again later."}`

// start lets the platform take its time, to show what the service says in the meantime.
func (s *story) start(ctx context.Context) error {
	release := s.world.platform.Hold()
	defer release()
	verified := make(chan error, 1)
	go func() { verified <- s.app.checker.Start(ctx) }()
	if err := s.world.platform.WaitCount(ctx, 1); err != nil {
		return err
	}
	s.say("It listens before it verifies. The platform has been asked and has not answered yet:")
	if err := s.sees(ctx, "/readyz", http.StatusServiceUnavailable, fail, healthJSON, "Retry-After: 1"); err != nil {
		return err
	}
	if err := s.sees(ctx, "/account", http.StatusServiceUnavailable, closed, problemJSON, "Retry-After: 1"); err != nil {
		return err
	}
	s.say("Now it answers:")
	release()
	if err := <-verified; err != nil {
		return err
	}
	if err := s.hears(ctx, "level=INFO", `msg="toloka credential verified"`, `account.name="Jack Smith"`); err != nil {
		return err
	}
	if err := s.sees(ctx, "/readyz", http.StatusOK, pass, healthJSON); err != nil {
		return err
	}
	return s.sees(ctx, "/account", http.StatusOK, theAccount)
}

// poll shows that polls are answered from memory.
func (s *story) poll(ctx context.Context) error {
	before, began := s.world.platform.Count(), time.Now()
	load := startLoad(pollers, s.url+"/healthz")
	wait(ctx, pollFor)
	load.end()
	took, asked := time.Since(began), s.world.platform.Count()-before
	s.say("%d polls of /healthz over %d connections in %s: %d answers with 200.",
		load.requests.Load(), pollers, took.Round(time.Millisecond), load.requests.Load()-load.failed.Load())
	s.say("In that time the platform was asked %s: about every %s, whoever polls.", times(asked), interval)
	if err := load.check(); err != nil {
		return err
	}
	// The interval varies by a tenth, and one call may have been due at the very beginning.
	if most := int(took/(interval*9/10)) + 1; asked > most {
		return fmt.Errorf("the platform was asked %s in %s, not %s at most", times(asked), took, times(most))
	}
	return nil
}

func (s *story) outage(ctx context.Context) error {
	s.say("Every connection to it is reset from now on. What was verified a moment ago is still good:")
	s.world.platform.SetFaults(requestertest.Reset())
	if err := s.hears(ctx, "level=WARN", "status=warn", "reason=stale"); err != nil {
		return err
	}
	if err := s.sees(ctx, "/healthz", http.StatusOK, warn, healthJSON); err != nil {
		return err
	}
	return s.sees(ctx, "/account", http.StatusOK, theAccount)
}

func (s *story) recovery(ctx context.Context) error {
	s.world.platform.ClearFaults()
	if err := s.hears(ctx, "level=INFO", `msg="toloka credential verified"`, "status=pass", "previous=warn"); err != nil {
		return err
	}
	return s.sees(ctx, "/healthz", http.StatusOK, pass, healthJSON)
}

// rotation replaces tokens while clients ask for the account and for what takes a call to the platform.
func (s *story) rotation(ctx context.Context) error {
	load := startLoad(loadClients, s.url+"/account", s.url+"/balance")
	defer load.end()
	s.say("%d clients ask for /account, and %d for /balance, which makes a call to the platform with the verified token.", loadClients, loadClients)
	s.say("Meanwhile the file gets a new token %s. Each time the old one is deleted as soon as the new one is in use:", times(rotations))
	for range rotations {
		old, err := s.world.rotate()
		if err != nil {
			return err
		}
		if err := s.hears(ctx, "level=INFO", `msg="toloka credential rotated"`, "token.previous="+old.Fingerprint()); err != nil {
			return err
		}
		s.world.platform.DeleteToken(old)
	}
	if err := s.verifiedAfter(ctx, time.Now()); err != nil {
		return err
	}
	load.end()
	s.say("%d requests, %d failed.", load.requests.Load(), load.failed.Load())
	if err := load.check(); err != nil {
		return err
	}
	return s.sees(ctx, "/balance", http.StatusOK, theBalance)
}

func (s *story) deletion(ctx context.Context) error {
	s.say("This time there is no other. The refusal is confirmed before anything is closed:")
	s.world.deleteToken()
	if err := s.hears(ctx, "level=ERROR", "status=fail", "reason=rejected", "AUTHENTICATION_ERROR"); err != nil {
		return err
	}
	if err := s.sees(ctx, "/account", http.StatusServiceUnavailable, closed, problemJSON, "Retry-After: 1"); err != nil {
		return err
	}
	if err := s.sees(ctx, "/healthz", http.StatusServiceUnavailable, fail, healthJSON); err != nil {
		return err
	}
	s.say("A restart would not help, so nobody is asked to restart it:")
	return s.sees(ctx, "/livez", http.StatusOK, pass, healthJSON)
}

func (s *story) replacement(ctx context.Context) error {
	if _, err := s.world.rotate(); err != nil {
		return err
	}
	written := time.Now()
	if err := s.hears(ctx, "level=INFO", `msg="toloka credential verified"`, "status=pass", "previous=fail"); err != nil {
		return err
	}
	s.say("Open again, without a restart, %s after the file was written:", time.Since(written).Round(time.Millisecond))
	if err := s.sees(ctx, "/healthz", http.StatusOK, pass, healthJSON); err != nil {
		return err
	}
	return s.sees(ctx, "/account", http.StatusOK, theAccount)
}

func (s *story) drain(ctx context.Context) error {
	s.say("Load balancers are told first, while requests are still answered:")
	s.app.checker.Drain()
	if err := s.hears(ctx, `msg="toloka credential checker draining"`); err != nil {
		return err
	}
	if err := s.sees(ctx, "/readyz", http.StatusServiceUnavailable, fail, healthJSON, "X-Envoy-Immediate-Health-Check-Fail: true"); err != nil {
		return err
	}
	if err := s.sees(ctx, "/account", http.StatusOK, theAccount); err != nil {
		return err
	}
	if err := s.server.Shutdown(ctx); err != nil {
		return err
	}
	s.app.close()
	if err := s.hears(ctx, `msg="toloka credential checker closed"`); err != nil {
		return err
	}
	return s.gone()
}

// times is a number of times in words where there is a word.
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
