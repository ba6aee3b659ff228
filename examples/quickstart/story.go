package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// Times as nobody would set them in a service, so that nobody has to wait for the end of the story.
const (
	interval     = 300 * time.Millisecond // one minute by default
	pollInterval = 100 * time.Millisecond // five seconds by default
	recheck      = 200 * time.Millisecond // one second by default
	breakerOpen  = 500 * time.Millisecond // thirty seconds by default
)

// story has what the steps need. Each step checks what it tells.
type story struct {
	*terminal
	logs  *logs
	world *world
	app   *app

	listener net.Listener
	server   *http.Server
	url      string
	client   *http.Client
}

// tell tells the story and returns an error that says which step did not come out as told.
func tell(ctx context.Context, out io.Writer) error {
	s, err := newStory(out)
	if err != nil {
		return err
	}
	defer s.close()
	return s.tell(ctx)
}

func newStory(out io.Writer) (*story, error) {
	w, err := newWorld(nil)
	if err != nil {
		return nil, err
	}
	lines := newLogs()
	a, err := newApp(w.server.URL, w.tokenFile, lines.logger(),
		health.WithInterval(interval),
		health.WithPollInterval(pollInterval),
		health.WithRejectionRecheck(recheck),
		health.WithBreakerOpen(breakerOpen),
	)
	if err != nil {
		w.close()
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.close()
		w.close()
		return nil, err
	}
	return &story{
		terminal: &terminal{out: out},
		logs:     lines,
		world:    w,
		app:      a,
		listener: listener,
		server:   &http.Server{Handler: a.handler, ReadHeaderTimeout: time.Second},
		url:      "http://" + listener.Addr().String(),
		client:   newClient(),
	}, nil
}

func (s *story) close() {
	s.client.CloseIdleConnections()
	_ = s.server.Close()
	_ = s.listener.Close()
	s.app.close()
	s.world.close()
}

func (s *story) tell(ctx context.Context) error {
	began := time.Now()
	go func() { _ = s.server.Serve(s.listener) }() // until the server is closed
	s.print("A service on %s, its API token in a file, and a fake of the Toloka platform on %s.\n", s.url, s.world.server.URL)
	s.print("Lines with | are the service's log as it is; the answers are real ones.\n")
	steps := []struct {
		title string
		play  func(context.Context) error
	}{
		{"The service starts, and its token is verified", s.start},
		{"A load balancer polls", s.poll},
		{"The platform goes down", s.outage},
		{"The platform comes back", s.recovery},
		{"Tokens are replaced under load", s.rotation},
		{"The token is deleted on the platform", s.deletion},
		{"Somebody writes a new token to the file", s.replacement},
		{"The service drains and exits", s.drain},
	}
	for i, step := range steps {
		s.heading(i+1, step.title)
		if err := step.play(ctx); err != nil {
			return fmt.Errorf("step %d (%s) did not come out as told: %w", i+1, step.title, err)
		}
	}
	tokens := s.world.tokens()
	if shown := s.shows(tokens); len(shown) > 0 {
		return fmt.Errorf("the output above shows tokens: %s", strings.Join(shown, ", "))
	}
	s.print("\nAll %d steps came out as told, in %.1f s. %d tokens were in use, and none of them is in what you have read.\n",
		len(steps), time.Since(began).Seconds(), len(tokens))
	return nil
}

// hears prints the log up to a line that has all the parts in it.
func (s *story) hears(ctx context.Context, parts ...string) error {
	for {
		line, err := s.logs.next(ctx)
		if err != nil {
			return fmt.Errorf("no line in the log with %q: %w", parts, err)
		}
		s.say("| %s", line)
		found := true
		for _, part := range parts {
			found = found && strings.Contains(line, part)
		}
		if found {
			return nil
		}
	}
}

// sees makes a request, prints the answer, and checks status, body and headers ("Key: value").
func (s *story) sees(ctx context.Context, path string, status int, body string, header ...string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	text := strings.TrimSpace(string(got))
	s.say("GET %s -> %s", path, resp.Status)
	for _, key := range []string{"Content-Type", "Retry-After", "X-Envoy-Immediate-Health-Check-Fail"} {
		if value := resp.Header.Get(key); value != "" {
			s.say("    %s: %s", key, value)
		}
	}
	s.say("    %s", text)

	if resp.StatusCode != status {
		return fmt.Errorf("GET %s: the status is %d, not %d", path, resp.StatusCode, status)
	}
	if text != body {
		return fmt.Errorf("GET %s: the body is %s, not %s", path, text, body)
	}
	for _, line := range header {
		key, value, _ := strings.Cut(line, ": ")
		if got := resp.Header.Get(key); got != value {
			return fmt.Errorf("GET %s: %s is %q, not %q", path, key, got, value)
		}
	}
	return nil
}

// verifiedAfter waits for the platform to have been asked about the token in use, successfully, after a moment.
func (s *story) verifiedAfter(ctx context.Context, moment time.Time) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if snap := s.app.checker.Snapshot(); snap.Open() && snap.VerifiedAt().After(moment) {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the token was not verified again: %w", ctx.Err())
		}
	}
}

// gone checks that nobody listens any more.
func (s *story) gone() error {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url, "http://"), time.Second)
	if err != nil {
		return nil
	}
	_ = conn.Close()
	return errors.New("somebody still listens")
}
