package health_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"
)

// modelKind is an answer of the platform, or what comes instead of one.
type modelKind uint8

const (
	accepts          modelKind = iota
	acceptsPoor                // with a balance under the minimum
	acceptsNoBalance           // with a balance that cannot be read
	refuses                    // 401 with the platform's error object
	refuses403                 // 403 with the platform's error object
	refusesEmpty               // 401 with an empty body
	limits                     // 429 without a hint
	limitsSeconds              // 429 with Retry-After: 7
	limitsDate                 // 429 with a Retry-After 40 s after its Date
	limitsYear                 // 429 with a Retry-After of a year
	answers503
	answers503Hint // with Retry-After: 20
	answers500
	answers400
	answers404
	answers302
	answersHTML403
	answersHTML200
	answersNoID
	answersHalf // 200 with a body that is cut
	resets
	hangs     // until the call's context ends
	hangsRude // ignores the call's context, until the script ends the hang
	panics
	exits // runtime.Goexit
	modelKinds
)

var modelKindNames = [modelKinds]string{
	"accepted", "accepted, poor", "accepted, no balance", "401", "403", "401 empty",
	"429", "429 of 7 s", "429 of 40 s", "429 of a year", "503", "503 of 20 s", "500", "400", "404",
	"302", "403 HTML", "200 HTML", "200 without an id", "200 cut", "reset", "hang",
	"hang beyond the context", "panic", "Goexit",
}

// modelVerdict is what an answer says of its token.
type modelVerdict uint8

const (
	noVerdict modelVerdict = iota
	accepted
	refusedIt
	otherAccount // accepted, but of an account that is not expected
)

// modelAnswer is how the platform answers about one token.
type modelAnswer struct {
	kind    modelKind
	account int           // of an accepted token
	after   time.Duration // how long the answer takes; less than the client's timeout
}

func (a modelAnswer) String() string {
	s := modelKindNames[a.kind]
	if a.kind <= acceptsNoBalance {
		s += fmt.Sprintf(" as %d", a.account)
	}
	if a.after > 0 {
		s += fmt.Sprintf(" after %v", a.after)
	}
	return s
}

func (a modelAnswer) limited() bool { return a.kind >= limits && a.kind <= limitsYear }

// hold returns how long a 429 asks not to be called, before it is clamped.
func (a modelAnswer) hold() time.Duration {
	switch a.kind {
	case limitsSeconds:
		return 7 * time.Second
	case limitsDate:
		return 40 * time.Second
	case limitsYear:
		return 365 * 24 * time.Hour
	default:
		return 0
	}
}

// modelAccountID returns the id of an account. Account 2 is of a company of its own.
func modelAccountID(account int) string { return fmt.Sprintf("account-%d", account) }

func modelCompanyID(account int) string { return fmt.Sprintf("company-%d", account%2) }

const modelError = `{"request_id":"r","code":"CODE","message":"m"}`

// response is the answer of a RoundTripper. The caller deals with hangs, panics and Goexit.
func (a modelAnswer) response(req *http.Request) (*http.Response, error) {
	status, body, header := 200, "", http.Header{}
	account := func(balance string) {
		body = fmt.Sprintf(`{"id":%q,"balance":%s,"company":{"id":%q}}`,
			modelAccountID(a.account), balance, modelCompanyID(a.account))
	}
	switch a.kind {
	case accepts:
		account("121.3")
	case acceptsPoor:
		account("49.99")
	case acceptsNoBalance:
		account(`"much"`)
	case refuses:
		status, body = 401, modelError
	case refuses403:
		status, body = 403, modelError
	case refusesEmpty:
		status = 401
	case limits:
		status, body = 429, modelError
	case limitsSeconds:
		status = 429
		header.Set("Retry-After", "7")
	case limitsDate:
		status = 429
		now := time.Now().Truncate(time.Second).UTC()
		header.Set("Date", now.Format(http.TimeFormat))
		header.Set("Retry-After", now.Add(40*time.Second).Format(http.TimeFormat))
	case limitsYear:
		status = 429
		header.Set("Retry-After", "31536000")
	case answers503, answers503Hint:
		status, body = 503, modelError
		if a.kind == answers503Hint {
			header.Set("Retry-After", "20")
		}
	case answers500:
		status, body = 500, modelError
	case answers400:
		status, body = 400, modelError
	case answers404:
		status, body = 404, modelError
	case answers302:
		status = 302
		header.Set("Location", "https://elsewhere.example/")
	case answersHTML403:
		status, body = 403, "<html>Forbidden</html>"
	case answersHTML200:
		body = "<html>log in</html>"
	case answersNoID:
		body = `{"ID":"account-1","balance":121.3}`
	case answersHalf:
		return &http.Response{
			StatusCode: 200, Header: header, Request: req, ContentLength: 100,
			Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"id":"acc`), cutReader{})),
		}, nil
	case resets:
		return nil, errors.New("read tcp: connection reset by peer")
	default:
		return nil, context.DeadlineExceeded
	}
	return &http.Response{
		StatusCode: status, Header: header, Request: req, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// modelTokenValue is the value of a token: a token68 whose first four characters name it.
func modelTokenValue(i int) string { return fmt.Sprintf("%04d%018d.model.%040d", i, i, i) }

// modelTokenOf is the inverse, -1 for anything else.
func modelTokenOf(authorization string) int {
	var i int
	value, ok := strings.CutPrefix(authorization, "ApiKey ")
	if !ok || len(value) < 4 {
		return -1
	}
	if _, err := fmt.Sscanf(value[:4], "%d", &i); err != nil || value != modelTokenValue(i) {
		return -1
	}
	return i
}

// modelCall is one call of the checker.
type modelCall struct {
	token    int
	sentAt   time.Duration // since the world was made
	sentBoot time.Duration // sentAt and what the machine was suspended before
}

// RoundTrip answers as the script says at the moment when the call begins.
func (w *modelWorld) RoundTrip(req *http.Request) (*http.Response, error) {
	token := modelTokenOf(req.Header.Get("Authorization"))
	if token < 0 {
		w.complain("a call with an unknown Authorization")
		return nil, errors.New("model: unknown token")
	}
	w.mu.Lock()
	call := &modelCall{token: token, sentAt: w.now(), sentBoot: w.boot()}
	answer := w.answerLocked(token)
	release := w.released
	w.mu.Unlock()
	w.beforeCall(call)

	switch answer.kind {
	case panics:
		w.endCall(call, answer)
		panic("model: the transport panics")
	case exits:
		w.endCall(call, answer)
		runtime.Goexit()
	case hangs:
		<-req.Context().Done()
		w.endCallEarly(call)
		return nil, req.Context().Err()
	case hangsRude:
		w.hangBeyondContext(req.Context(), call, release)
		return nil, req.Context().Err()
	}
	if answer.after > 0 {
		timer := time.NewTimer(answer.after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-req.Context().Done():
			w.endCallEarly(call)
			return nil, req.Context().Err()
		}
	}
	w.endCall(call, answer)
	return answer.response(req)
}

const (
	// modelGrace is how much longer than the client's timeout a call may take.
	modelGrace = time.Second
	// modelStuck is how many calls hang beyond their contexts without being released. The engine
	// makes no calls any more while 16 of them hang.
	modelStuck = 12
)

func (w *modelWorld) hangBeyondContext(ctx context.Context, call *modelCall, release chan struct{}) {
	<-ctx.Done()
	if w.now()-call.sentAt >= w.config.timeout {
		time.Sleep(modelGrace - time.Microsecond) // so that it ends before the engine gives it up
	}
	w.endCallEarly(call)
	w.mu.Lock()
	w.stuck++
	stuck := w.stuck <= modelStuck
	w.mu.Unlock()
	if stuck {
		<-release
	}
}

// endCallEarly ends a call whose context has ended: by the client's timeout, which is an outage, or
// because the checker cancelled it, which says nothing.
func (w *modelWorld) endCallEarly(call *modelCall) {
	if w.now()-call.sentAt >= w.config.timeout {
		w.endCall(call, modelAnswer{kind: hangs})
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens[call.token].inFlight--
}
