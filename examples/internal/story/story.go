package story

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

// Settings much shorter than in a real service, so that the story takes seconds.
const (
	interval     = 500 * time.Millisecond // one minute by default
	pollInterval = 100 * time.Millisecond // five seconds by default
	recheck      = 200 * time.Millisecond // one second by default
	breakerOpen  = 500 * time.Millisecond // thirty seconds by default
)

// story holds what the steps need. Each step checks what it shows.
type story struct {
	*terminal
	logs  *logs
	world *world
	app   *app

	ada, bob caller

	listener net.Listener
	server   *http.Server
	url      string
	client   *http.Client
}

// Tell runs the story and writes it to out. It returns an error that names the step that failed.
func Tell(ctx context.Context, out io.Writer) error {
	s, err := newStory(out)
	if err != nil {
		return err
	}
	defer s.close()
	return s.tell(ctx, s.steps())
}

func newStory(out io.Writer) (*story, error) {
	w, err := newWorld(nil)
	if err != nil {
		return nil, err
	}
	lines := newLogs()
	a, err := newApp(w.server.URL, w.tokenFile, lines.logger(), interval,
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

// step is a part of the story.
type step struct {
	number int
	title  string
	play   func(context.Context) error
}

// steps returns all of them. The first must be played; some others need the one before.
func (s *story) steps() []step {
	return []step{
		{1, "The service starts and verifies its token", s.start},
		{2, "A load balancer polls", s.poll},
		{3, "The platform goes down", s.outage},
		{4, "The platform comes back", s.recovery},
		{5, "The token is rotated under load", s.rotation},
		{6, "The token is deleted on the platform", s.deletion},
		{7, "A new token is written to the file", s.replacement},
		{8, "Two callers bring tokens of their own", s.callers},
		{9, "The platform goes down while callers come", s.callersOutage},
		{10, "The service drains and exits", s.drain},
	}
}

// tell plays the steps, and checks at the end that no token was printed.
func (s *story) tell(ctx context.Context, steps []step) error {
	began := time.Now()
	go func() { _ = s.server.Serve(s.listener) }() // until the server is closed
	s.print("A service on %s with its API token in a file, and a fake Toloka platform on %s.\n",
		s.url, s.world.server.URL)
	s.print("Lines with | are the service's log; the responses are real.\n")
	for _, step := range steps {
		s.heading(step.number, step.title)
		if err := step.play(ctx); err != nil {
			return fmt.Errorf("step %d (%s) failed: %w", step.number, step.title, err)
		}
	}
	tokens := s.world.tokens()
	if shown := s.shows(tokens); len(shown) > 0 {
		return fmt.Errorf("the output above contains tokens: %s", strings.Join(shown, ", "))
	}
	s.print("\nAll %d steps succeeded in %.1f s. There were %d tokens; none is in this output.\n",
		len(steps), time.Since(began).Seconds(), len(tokens))
	return nil
}

// awaitLog prints the log up to a line that contains all the parts.
func (s *story) awaitLog(ctx context.Context, parts ...string) error {
	for {
		line, err := s.logs.next(ctx)
		if err != nil {
			return fmt.Errorf("no log line with %q: %w", parts, err)
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

// expect makes a request, prints the response, and checks status, body and headers ("Key: value").
func (s *story) expect(
	ctx context.Context, path string, status int, body string, header ...string,
) error {
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
	for _, key := range []string{
		"Content-Type", "Retry-After", "X-Envoy-Immediate-Health-Check-Fail",
	} {
		if value := resp.Header.Get(key); value != "" {
			s.say("    %s: %s", key, value)
		}
	}
	s.say("    %s", text)

	if resp.StatusCode != status {
		return fmt.Errorf("GET %s: status %d, not %d", path, resp.StatusCode, status)
	}
	if text != body {
		return fmt.Errorf("GET %s: body %s, not %s", path, text, body)
	}
	for _, line := range header {
		key, value, _ := strings.Cut(line, ": ")
		if got := resp.Header.Get(key); got != value {
			return fmt.Errorf("GET %s: %s is %q, not %q", path, key, got, value)
		}
	}
	return nil
}

// awaitVerified waits for a successful verification after the given time.
func (s *story) awaitVerified(ctx context.Context, moment time.Time) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if snap := s.app.checker.Snapshot(); snap.Open() && snap.State().VerifiedAt.After(moment) {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the token was not verified again: %w", ctx.Err())
		}
	}
}

// expectGone checks that the service no longer listens.
func (s *story) expectGone() error {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url, "http://"), time.Second)
	if err != nil {
		return nil
	}
	_ = conn.Close()
	return errors.New("the service still listens")
}
