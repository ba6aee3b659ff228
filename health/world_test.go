package health_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
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

func TestMain(m *testing.M) {
	if runAsChild() {
		return
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // those that wait for real time, and a model besides
	goleak.VerifyTestMain(m)
}

const (
	tokenA = "AAAAAAAAAAAAAAAAAAAAAA.old.0000000000000000000000000000000000000000"
	tokenB = "BBBBBBBBBBBBBBBBBBBBBB.new.1111111111111111111111111111111111111111"
	tokenC = "CCCCCCCCCCCCCCCCCCCCCC.odd.2222222222222222222222222222222222222222"
)

// platform is a RoundTripper with scripted answers. It works on fake time.
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
	deaf   chan struct{} // likewise, and ignores the request's context
	do     func()        // runs before the answer, such as a panic
}

func account(id string) reply {
	return reply{status: 200, body: fmt.Sprintf(`{"id":%q,"balance":121.3,`+
		`"public_name":{"EN":"Jack Smith"},"company":{"id":"123","superintendent_id":"s"}}`, id)}
}

func poor(id, balance string) reply {
	return reply{status: 200, body: fmt.Sprintf(`{"id":%q,"balance":%s}`, id, balance)}
}

// slowly is account(id) after d.
func slowly(id string, d time.Duration) reply {
	r := account(id)
	r.after = d
	return r
}

func platformError(status int, requestID, code string) reply {
	body := fmt.Sprintf(`{"request_id":%q,"code":%q,"message":"m"}`, requestID, code)
	return reply{status: status, body: body}
}

var (
	refused  = platformError(401, "r-1", "AUTHENTICATION_ERROR")
	down     = platformError(503, "r-2", "REMOTE_SERVICE_UNAVAILABLE")
	gone     = platformError(404, "r-3", "DOES_NOT_EXIST")
	firewall = reply{status: 403, body: "<html>Forbidden</html>"}
	noRoute  = reply{err: errors.New("dial tcp: connect: connection refused")}
	hang     = reply{hang: true}
)

// limited is a 429; retryAfter may be empty.
func limited(retryAfter string) reply {
	r := platformError(429, "r-4", "TOO_MANY_REQUESTS")
	if retryAfter != "" {
		r.header = http.Header{"Retry-After": {retryAfter}}
	}
	return r
}

// world is a checker with its platform, source and log.
type world struct {
	t        *testing.T
	born     time.Time
	platform *platform
	source   *source
	log      *logBuffer
	checker  *health.Checker
}

// newWorld makes a checker of tokenA, with an interval of exactly a minute by default.
func newWorld(t *testing.T, answer func(token string) reply, opts ...health.Option) *world {
	t.Helper()
	return newWorldOf(t, &source{tokens: []string{tokenA}}, answer, opts...)
}

// newWorldOf makes a checker of the token that p provides.
func newWorldOf(
	t *testing.T, p credentials.Provider, answer func(token string) reply, opts ...health.Option,
) *world {
	t.Helper()
	w := &world{t: t, born: time.Now(), log: &logBuffer{}, platform: &platform{answer: answer}}
	w.source, _ = p.(*source)
	defaults := []health.Option{
		health.WithClient(w.client()), health.WithLogger(w.log.logger()), health.WithJitter(0.5),
	}
	var err error
	w.checker, err = health.New(p, append(defaults, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { w.checker.Close() })
	return w
}

func (w *world) client(opts ...requester.Option) *requester.Client {
	w.t.Helper()
	opts = append(opts, requester.WithHTTPClient(&http.Client{Transport: w}))
	client, err := requester.New(requester.Production, opts...)
	require.NoError(w.t, err)
	return client
}

// started makes a world whose checker has verified tokenA of account "1".
func started(t *testing.T, opts ...health.Option) *world {
	t.Helper()
	w := newWorld(t, always(account("1")), opts...)
	w.start()
	return w
}

// start starts the checker and forgets the calls and lines so far.
func (w *world) start() {
	w.t.Helper()
	require.NoError(w.t, w.checker.Start(w.t.Context()))
	w.platform.forget()
	w.lines()
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

// inTurn gives one answer after the other, and then repeats the last.
func inTurn(replies ...reply) func(string) reply {
	i := -1
	return func(string) reply {
		i = min(i+1, len(replies)-1)
		return replies[i]
	}
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "ApiKey ")
	w.platform.mu.Lock()
	w.platform.calls = append(w.platform.calls, call{time.Since(w.born), token})
	answer := w.platform.answer(token)
	w.platform.mu.Unlock()
	return answer.give(r)
}

func (a reply) give(r *http.Request) (*http.Response, error) {
	if a.do != nil {
		a.do()
	}
	if a.deaf != nil {
		<-a.deaf
	}
	if a.hang || a.after > 0 || a.until != nil {
		var timer <-chan time.Time
		if a.after > 0 {
			timer = time.After(a.after)
		}
		select {
		case <-timer:
		case <-a.until:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	header := a.header
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		StatusCode: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.body)),
		ContentLength: int64(len(a.body)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
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
func (p *platform) count() int { return len(p.tokens()) }

// countOf returns how many of them were about token.
func (p *platform) countOf(token string) int {
	n := 0
	for _, t := range p.tokens() {
		if t == token {
			n++
		}
	}
	return n
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

// times returns when the calls were made, since the world was made.
func (p *platform) times() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []time.Duration
	for _, c := range p.calls {
		out = append(out, c.at)
	}
	return out
}

// timesOf returns when the calls about token were made.
func (p *platform) timesOf(token string) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []time.Duration
	for _, c := range p.calls {
		if c.token == token {
			out = append(out, c.at)
		}
	}
	return out
}

// lines returns the log lines since the last call.
func (w *world) lines() []string {
	w.checker.Flush()
	return w.log.take()
}

// verdict returns the status and all reasons in one string, for short assertions.
func (w *world) verdict() string { return verdictOf(w.checker.Snapshot()) }

func verdictOf(snap *health.Snapshot) string {
	return snap.Status().String() + ": " + joined(snap.State().Reasons)
}

// joined returns reasons as logs have them.
func joined(reasons []health.Reason) string {
	var names []string
	for _, r := range reasons {
		names = append(names, r.String())
	}
	return strings.Join(names, ",")
}

// inUse returns the value of the token in use, "" while the status is fail.
func (w *world) inUse() string {
	token, err := w.checker.Snapshot().Token()
	if err != nil {
		return ""
	}
	return token.Reveal()
}

// hash returns the part of a token's fingerprint after '#'.
func hash(value string) string {
	token, err := credentials.ParseToken(value)
	if err != nil {
		panic(err)
	}
	f := token.Fingerprint()
	return f[len(f)-8:]
}

// source is a provider of several tokens that can break, hang and be polled.
type source struct {
	mu     sync.Mutex
	tokens []string
	err    error
	until  chan struct{} // reads hang until it is closed, and ignore their context
	slow   bool          // reads hang until their context ends
	readAt []time.Time
	polls  int
}

func (s *source) Tokens(ctx context.Context) ([]credentials.Token, error) {
	s.mu.Lock()
	s.readAt = append(s.readAt, time.Now())
	until, slow := s.until, s.slow
	s.mu.Unlock()
	if until != nil {
		<-until
	}
	if slow {
		<-ctx.Done()
		return nil, ctx.Err()
	}

	s.mu.Lock()
	defer s.mu.Unlock()
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

// breaks makes every read and poll fail from now on.
func (s *source) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens, s.err = nil, err
}

// hangsUntil makes every read from now on wait until released is closed.
func (s *source) hangsUntil(released chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = released
}

// usesUpItsTime makes every read from now on wait until its context ends.
func (s *source) usesUpItsTime() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = true
}

func (s *source) readCount() int { return len(s.readTimes(time.Time{})) }

// readTimes returns when the reads began, relative to since.
func (s *source) readTimes(since time.Time) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []time.Duration
	for _, at := range s.readAt {
		out = append(out, at.Sub(since))
	}
	return out
}

// logBuffer collects log lines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// logger returns a logger that writes lines without their time.
func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
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

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
