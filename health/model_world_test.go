package health_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// modelPlatform answers as the script says, writes down what it answered, and complains about calls that must not come.
type modelPlatform struct {
	options modelOptions
	born    time.Time

	mu       sync.Mutex
	answers  modelAnswers
	events   *modelTrace
	inFlight [modelTokens]int
	calls    int
	lastCall time.Duration
	asked    [modelTokens]time.Duration // when it was asked about last
	said     [modelTokens]modelAnswer   // what was said of it last
	saidAt   [modelTokens]time.Duration
	closed   bool
	resting  bool // no background: not started, or Start has failed

	failures  int // in a row
	breaker   string
	openUntil time.Duration
	heldUntil time.Duration

	verified   map[modelGood]bool
	verifiedAt time.Duration          // when the last good answer arrived
	goodAt     map[time.Duration]bool // when good answers arrived
	refusals   [modelTokens]int       // ever
}

// modelGood is a verification.
type modelGood struct {
	token   int8
	sentAt  time.Duration
	account string
}

// modelTrace is what was said to the checker, in order, and what was wrong.
type modelTrace struct {
	mu       sync.Mutex
	events   []modelEvent
	problems []string
}

func (x *modelTrace) add(ev modelEvent) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.events = append(x.events, ev)
}

func (x *modelTrace) complain(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.problems) < 5 {
		x.problems = append(x.problems, fmt.Sprintf(format, args...))
	}
}

// take returns the events since the last take.
func (x *modelTrace) take() []modelEvent {
	x.mu.Lock()
	defer x.mu.Unlock()
	events := x.events
	x.events = nil
	return events
}

func (x *modelTrace) err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(x.problems, "\n"))
}

func (p *modelPlatform) now() time.Duration { return time.Since(p.born) }

func (p *modelPlatform) RoundTrip(req *http.Request) (*http.Response, error) {
	token := int8(-1)
	for i := range modelTokens {
		if req.Header.Get("Authorization") == "ApiKey "+modelTokenValue(i) {
			token = int8(i)
		}
	}
	if token < 0 {
		p.events.complain("a call with an Authorization that nobody knows")
		return nil, errors.New("no token")
	}
	p.mu.Lock()
	sentAt, answer := p.now(), p.answers[token]
	p.admitLocked(token, sentAt)
	p.mu.Unlock()

	answer, cancelled := p.wait(req.Context(), sentAt, answer)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight[token]--
	if cancelled {
		return nil, req.Context().Err()
	}
	p.answeredLocked(token, sentAt, answer)
	return answer.response(req)
}

// admitLocked complains about a call that must not come.
func (p *modelPlatform) admitLocked(token int8, now time.Duration) {
	p.calls++
	p.lastCall, p.asked[token] = now, now
	p.inFlight[token]++
	if p.inFlight[token] > 1 {
		p.events.complain("%v: %d calls in flight about token %d", now, p.inFlight[token], token)
	}
	if now < p.heldUntil {
		p.events.complain("%v: a call about token %d, though nothing is to be asked before %v", now, token, p.heldUntil)
	}
	if p.breaker == "open" {
		if now <= p.openUntil {
			p.events.complain("%v: a call about token %d, though the breaker is open until %v", now, token, p.openUntil)
		}
		p.breaker = "half-open"
	}
	if p.closed {
		p.events.complain("%v: a call after Close", now)
	}
	if p.resting {
		p.events.complain("%v: a call while nothing runs", now)
	}
}

// wait returns what comes of the call, and whether it was cancelled from the checker's side.
func (p *modelPlatform) wait(ctx context.Context, sentAt time.Duration, a modelAnswer) (modelAnswer, bool) {
	var timer <-chan time.Time
	switch {
	case a.kind == saysHang:
	case a.after > 0:
		timer = time.After(a.after)
	default:
		return a, false
	}
	select {
	case <-timer:
		return a, false
	case <-ctx.Done():
		return modelAnswer{kind: saysHang}, p.now()-sentAt < modelTimeout
	}
}

// answeredLocked writes the answer down.
func (p *modelPlatform) answeredLocked(token int8, sentAt time.Duration, a modelAnswer) {
	now := p.now()
	p.said[token], p.saidAt[token] = a, now
	switch a.kind.class() {
	case isVerified:
		p.failures, p.breaker = 0, "closed"
		p.verified[modelGood{token, sentAt, modelAccountID(a.account)}] = true
		p.verifiedAt, p.goodAt[now] = now, true
	case isRejected:
		p.failures, p.breaker = 0, "closed"
		p.refusals[token]++
	case isLimited:
		hold := max(time.Second, min(a.kind.hold(), time.Hour, p.options.maxStale/2))
		p.heldUntil = max(p.heldUntil, now+hold)
	case isFailure:
		p.failures++
		if p.breaker == "half-open" || p.failures >= modelBreakerTrips {
			p.breaker, p.openUntil, p.failures = "open", now+modelBreakerOpen, 0
		}
	}
	if p.resting {
		return // Start has failed: 'after an error nothing runs'
	}
	p.events.add(modelEvent{at: now, what: evAnswer, token: token, answer: a, sentAt: sentAt})
}

// blocked is until when nothing may be asked.
func (p *modelPlatform) blocked() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	until := p.heldUntil
	if p.breaker == "open" {
		until = max(until, p.openUntil+time.Millisecond)
	}
	return until
}

func (p *modelPlatform) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

const modelError = `{"request_id":"r","code":%q,"message":"m","payload":{"interval":"MIN"}}`

func (a modelAnswer) response(req *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	body := ""
	says := func(status int, text string) { resp.StatusCode, body = status, text }
	switch a.kind {
	case saysVerified:
		says(200, fmt.Sprintf(`{"id":%q,"balance":121.3}`, modelAccountID(a.account)))
	case saysPoor:
		says(200, fmt.Sprintf(`{"id":%q,"balance":49.99}`, modelAccountID(a.account)))
	case saysNoBalance:
		says(200, fmt.Sprintf(`{"id":%q,"balance":"much"}`, modelAccountID(a.account)))
	case saysRefused:
		says(401, fmt.Sprintf(modelError, "AUTHENTICATION_ERROR"))
	case saysDenied:
		says(403, fmt.Sprintf(modelError, "ACCESS_DENIED"))
	case saysNothing401:
		says(401, "")
	case saysLimited:
		says(429, fmt.Sprintf(modelError, "TOO_MANY_REQUESTS"))
		resp.Header.Set("Retry-After", "7")
	case saysLimitedDate:
		says(429, "")
		now := time.Now().Truncate(time.Second)
		resp.Header.Set("Date", now.UTC().Format(http.TimeFormat))
		resp.Header.Set("Retry-After", now.Add(40*time.Second).UTC().Format(http.TimeFormat))
	case saysLimitedQuota:
		says(429, fmt.Sprintf(modelError, "TOO_MANY_REQUESTS"))
	case saysLimitedYear:
		says(429, "")
		resp.Header.Set("Retry-After", "31536000")
	case saysLimitedSilent:
		says(429, "")
	case saysDown:
		says(503, fmt.Sprintf(modelError, "REMOTE_SERVICE_UNAVAILABLE"))
	case saysDownHint:
		says(503, "")
		resp.Header.Set("Retry-After", "20")
	case saysNoNetwork:
		return nil, errors.New("dial tcp: connection refused")
	case saysHang:
		return nil, context.DeadlineExceeded
	case saysHTML:
		says(200, "<html>log in</html>")
	case saysNoID:
		says(200, `{"ID":"account-1","balance":121.3}`)
	case saysGone:
		says(404, fmt.Sprintf(modelError, "DOES_NOT_EXIST"))
	case saysElsewhere:
		says(302, "")
		resp.Header.Set("Location", "https://elsewhere.example/")
	case saysFirewall:
		says(403, "<html>Forbidden</html>")
	}
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return resp, nil
}

// modelSource is the provider of a script.
type modelSource struct {
	born   time.Time
	events *modelTrace

	mu      sync.Mutex
	holding modelHolding
	hang    chan struct{} // nil: it does not
	polite  bool
	reading int
	since   time.Duration // when the read that hangs has begun
	changed time.Duration // when it came to hold something else
	resting bool
}

func (s *modelSource) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// waits blocks while the source hangs. false: ctx has ended, and nobody takes what would be returned.
func (s *modelSource) waits(ctx context.Context) bool {
	s.mu.Lock()
	s.reading++
	if s.reading > 1 {
		s.events.complain("%d reads of the source at once", s.reading)
	}
	if s.resting {
		s.events.complain("a read of the source while nothing runs")
	}
	hang, polite := s.hang, s.polite
	s.since = time.Since(s.born)
	s.mu.Unlock()
	if hang != nil {
		done := ctx.Done()
		if !polite {
			done = nil
		}
		select {
		case <-hang:
		case <-done:
		}
	}
	return ctx.Err() == nil
}

func (s *modelSource) hangsSince() (since time.Duration, hangs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since, s.reading > 0
}

var errModelSource = [...]error{
	sourceMissing: fmt.Errorf("model: not there: %w", credentials.ErrNotFound),
	sourceInvalid: fmt.Errorf("model: unfit: %w", credentials.ErrInvalid),
	sourceBroken:  errors.New("model: input/output error"),
	sourcePartial: errors.New("model: the second half is not readable"),
}

func (s *modelSource) Tokens(ctx context.Context) ([]credentials.Token, error) {
	alive := s.waits(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading--
	what := evRead
	if !alive {
		s.gaveUpLocked()
		if s.polite || len(s.holding.tokens) == 0 {
			return nil, fmt.Errorf("model: %w", ctx.Err())
		}
		what = evLate
	}
	h := s.holding
	s.events.add(modelEvent{at: time.Since(s.born), what: what, tokens: h.tokens, err: h.err})
	var tokens []credentials.Token
	for _, i := range h.tokens {
		t, err := credentials.ParseToken(modelTokenValue(i))
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
	}
	return tokens, errModelSource[h.err]
}

// gaveUpLocked: the reader has left, because the source took too long or because nobody wants to know any more.
func (s *modelSource) gaveUpLocked() {
	now := time.Since(s.born)
	what := evMaybeHung
	if now-s.since >= modelTimeout {
		what = evSourceHung
	}
	s.events.add(modelEvent{at: now, what: what})
}

func (s *modelSource) Token(ctx context.Context) (credentials.Token, error) {
	tokens, err := s.Tokens(ctx)
	if len(tokens) == 0 {
		return credentials.Token{}, err
	}
	return tokens[0], nil
}

func (s *modelSource) poll(ctx context.Context, have []credentials.Token) (bool, error) {
	alive := s.waits(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading--
	if !alive {
		s.gaveUpLocked()
		return false, fmt.Errorf("model: %w", ctx.Err())
	}
	h := s.holding
	switch {
	case h.err != sourceWell:
		s.events.add(modelEvent{at: time.Since(s.born), what: evPoll, err: h.err})
		return false, errModelSource[h.err]
	case len(have) > 0 && slices.EqualFunc(h.tokens, have, func(i int, t credentials.Token) bool {
		return t.Reveal() == modelTokenValue(i)
	}):
		s.events.add(modelEvent{at: time.Since(s.born), what: evPoll})
		return false, nil
	default:
		return true, nil
	}
}

func (*modelSource) Describe() string { return "model:source" }

// The four kinds of provider: of one token or of several, that can be looked at or not.
type (
	modelSingle     struct{ s *modelSource }
	modelSinglePoll struct{ modelSingle }
	modelMulti      struct{ *modelSource }
	modelMultiPoll  struct{ modelMulti }
)

func (p modelSingle) Token(ctx context.Context) (credentials.Token, error) { return p.s.Token(ctx) }
func (p modelSingle) Describe() string                                     { return p.s.Describe() }

func (p modelSinglePoll) Poll(ctx context.Context, have []credentials.Token) (bool, error) {
	return p.s.poll(ctx, have)
}

func (p modelMultiPoll) Poll(ctx context.Context, have []credentials.Token) (bool, error) {
	return p.poll(ctx, have)
}

func (s *modelSource) provider(o modelOptions) credentials.Provider {
	single, multi := modelSingle{s}, modelMulti{s}
	switch {
	case o.several && o.pollable:
		return modelMultiPoll{multi}
	case o.several:
		return multi
	case o.pollable:
		return modelSinglePoll{single}
	default:
		return single
	}
}
