package health_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tokenA = "AAAAAAAAAAAAAAAAAAAAAA.old.0000000000000000000000000000000000000000"
	tokenB = "BBBBBBBBBBBBBBBBBBBBBB.new.1111111111111111111111111111111111111111"
	tokenC = "CCCCCCCCCCCCCCCCCCCCCC.odd.2222222222222222222222222222222222222222"
)

// platform is a RoundTripper that answers by hand, on fake time too.
type platform struct {
	mu     sync.Mutex
	answer func(token string) reply
	calls  []call
}

type call struct {
	at    time.Duration // since the platform was made
	token string
}

type reply struct {
	status int
	body   string
	header http.Header
	err    error
	after  time.Duration // how long the answer takes
	hang   bool          // no answer before the client gives up
	until  chan struct{} // the answer waits for this to be closed
}

func account(id string) reply {
	return reply{status: 200, body: fmt.Sprintf(`{"id":%q,"balance":121.3,"public_name":{"EN":"Jack Smith"},"company":{"id":"123","superintendent_id":"s"}}`, id)}
}

func poor(id, balance string) reply {
	return reply{status: 200, body: fmt.Sprintf(`{"id":%q,"balance":%s}`, id, balance)}
}

var (
	refused  = reply{status: 401, body: `{"request_id":"r-1","code":"AUTHENTICATION_ERROR","message":"no"}`}
	down     = reply{status: 503, body: `{"request_id":"r-2","code":"REMOTE_SERVICE_UNAVAILABLE","message":"later"}`}
	firewall = reply{status: 403, body: "<html>Forbidden</html>"}
	gone     = reply{status: 404, body: `{"request_id":"r-3","code":"DOES_NOT_EXIST","message":"no"}`}
	noRoute  = reply{err: errors.New("dial tcp: connect: connection refused")}
	hang     = reply{hang: true}
)

func limited(retryAfter string) reply {
	return reply{status: 429, body: `{"request_id":"r-4","code":"TOO_MANY_REQUESTS","message":"slow"}`, header: http.Header{"Retry-After": {retryAfter}}}
}

// w is a checker, its platform, its source and its log, on fake time.
type world struct {
	t        *testing.T
	born     time.Time
	platform *platform
	source   *source
	log      *logBuffer
	checker  *health.Checker
}

// newWorld makes the checker with an interval of exactly a minute.
func newWorld(t *testing.T, answer func(token string) reply, opts ...health.Option) *world {
	t.Helper()
	w := &world{t: t, born: time.Now(), log: &logBuffer{}, source: &source{tokens: []string{tokenA}}}
	w.platform = &platform{answer: answer}
	client, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{Transport: w}))
	require.NoError(t, err)
	logger := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	all := append([]health.Option{health.WithClient(client), health.WithLogger(logger), health.WithJitter(0.5)}, opts...)
	w.checker, err = health.New(w.source, all...)
	require.NoError(t, err)
	t.Cleanup(func() { w.checker.Close() })
	return w
}

// started is a world whose checker has verified tokenA of account "1".
func started(t *testing.T, opts ...health.Option) *world {
	t.Helper()
	w := newWorld(t, always(account("1")), opts...)
	require.NoError(t, w.checker.Start(t.Context()))
	w.platform.forget()
	w.lines()
	return w
}

func always(r reply) func(string) reply { return func(string) reply { return r } }

// byToken answers each token in its own way, and refuses those that it does not know.
func byToken(replies map[string]reply) func(string) reply {
	return func(token string) reply {
		if r, ok := replies[token]; ok {
			return r
		}
		return refused
	}
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "ApiKey ")
	w.platform.mu.Lock()
	w.platform.calls = append(w.platform.calls, call{time.Since(w.born), token})
	answer := w.platform.answer(token)
	w.platform.mu.Unlock()

	var timer <-chan time.Time
	if answer.after > 0 {
		timer = time.After(answer.after)
	}
	if answer.hang || answer.after > 0 || answer.until != nil {
		select {
		case <-timer:
		case <-answer.until:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if answer.err != nil {
		return nil, answer.err
	}
	if answer.header == nil {
		answer.header = http.Header{}
	}
	return &http.Response{
		StatusCode: answer.status, Header: answer.header, Body: io.NopCloser(strings.NewReader(answer.body)),
		ContentLength: int64(len(answer.body)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// will changes what the platform answers from now on.
func (w *world) will(answer func(token string) reply) {
	w.platform.mu.Lock()
	defer w.platform.mu.Unlock()
	w.platform.answer = answer
}

func (p *platform) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = nil
}

// count returns how many calls there were since the last forget.
func (p *platform) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

func (p *platform) tokens() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, c := range p.calls {
		out = append(out, c.token)
	}
	return out
}

// times returns when the calls were made, from the birth of the world.
func (p *platform) times() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []time.Duration
	for _, c := range p.calls {
		out = append(out, c.at)
	}
	return out
}

// lines returns the log lines since the last call.
func (w *world) lines() []string {
	w.checker.Flush()
	return w.log.take()
}

// verdict is the status and all reasons in one string, for short assertions.
func (w *world) verdict() string {
	snap := w.checker.Snapshot()
	return snap.Status().String() + ": " + snap.Reasons().String()
}

// source is a provider of several tokens that can break, hang and be polled.
type source struct {
	mu     sync.Mutex
	tokens []string
	err    error
	until  chan struct{} // reads hang until it is closed, whatever their context
	slow   bool          // gives up only when its context ends
	reads  int
	readAt []time.Time
	polls  int
}

func (s *source) Tokens(ctx context.Context) ([]credentials.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	s.readAt = append(s.readAt, time.Now())
	if until := s.until; until != nil {
		s.mu.Unlock()
		<-until
		s.mu.Lock()
	}
	if s.slow {
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return nil, ctx.Err()
	}
	var out []credentials.Token
	for _, v := range s.tokens {
		t, err := credentials.ParseToken(v)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	if len(out) == 0 && s.err == nil {
		return nil, fmt.Errorf("source: nothing here: %w", credentials.ErrNotFound)
	}
	return out, s.err
}

func (s *source) Token(ctx context.Context) (credentials.Token, error) {
	tokens, err := s.Tokens(ctx)
	if len(tokens) == 0 {
		return credentials.Token{}, err
	}
	return tokens[0], nil
}

func (s *source) Poll(_ context.Context, have []credentials.Token) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls++
	if s.err != nil {
		return false, s.err
	}
	var values []string
	for _, t := range have {
		values = append(values, t.Reveal())
	}
	return strings.Join(s.tokens, ",") != strings.Join(values, ","), nil
}

func (s *source) Describe() string { return "test:source" }

// has sets what the source holds from now on.
func (s *source) has(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens, s.err = tokens, nil
}

func (s *source) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens, s.err = nil, err
}

// hangsUntil has every read from now on wait for the channel's close.
func (s *source) hangsUntil(released chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = released
}

func (s *source) readCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// logBuffer collects log lines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// take returns the lines since the last take.
func (b *logBuffer) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.buf.Reset()
	if b.buf.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(b.buf.String(), "\n"), "\n")
}
