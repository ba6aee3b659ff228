package sharing

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// Answer is an answer of the platform, as replicas share it.
type Answer struct {
	platform.Answer // a heard one has no SentAt and no Latency

	// Fence is that of the lease under which the platform was asked.
	Fence uint64
	// Replica is who asked.
	Replica string
	// Refusals is how many refusals in a row there were with this one, for a refusal.
	Refusals int
	// RefusedFor is how long before this one the first of them was sent.
	RefusedFor time.Duration
	// Probes is how many calls in a row gave no verdict with this one, for trouble.
	Probes int
	// Confirmed is set if another replica's call gave no verdict, too, or the platform limits the
	// rate of calls: the trouble is not that of one replica's network.
	Confirmed bool
	// Pause is how long after the lease no replica should ask, for trouble.
	Pause time.Duration
	// Age is how long ago the request was sent, at most.
	Age time.Duration
}

// Trouble reports whether the answer is no verdict.
func (a *Answer) Trouble() bool { return !platform.Conclusive(a.Class) }

func (a *Answer) slot() slot {
	if a.Trouble() {
		return troubleSlot
	}
	return verdictSlot
}

// maxSkew is how far the clock of the writer of an entry may be from the reader's. Ages come from
// the store's clock; this bounds for how long the owner of the store can withhold an entry and
// show it as a new one.
const maxSkew = 24 * time.Hour

// maxText is the length of the longest text of an error that is shared.
const maxText = 1000

// document is the plain text of an entry.
type document struct {
	Class      string          `json:"class"`
	Account    json.RawMessage `json:"account,omitempty"`
	Error      string          `json:"error,omitempty"`
	API        *apiError       `json:"api,omitempty"`
	RetryAfter time.Duration   `json:"retry_after,omitempty"`
	Replica    string          `json:"replica"`
	Refusals   int             `json:"refusals,omitempty"`
	RefusedFor time.Duration   `json:"refused_for,omitempty"`
	Probes     int             `json:"probes,omitempty"`
	Confirmed  bool            `json:"confirmed,omitempty"`
	Pause      time.Duration   `json:"pause,omitempty"`
	WrittenAt  int64           `json:"written_at"` // Unix seconds
}

type apiError struct {
	Status    int    `json:"status"`
	Code      string `json:"code,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// seal returns the data of an entry.
func (a *Answer) seal(k *Keys, now time.Time) ([]byte, error) {
	d := document{
		Class: a.Class.String(), RetryAfter: a.RetryAfter, Replica: a.Replica,
		Refusals: a.Refusals, RefusedFor: a.RefusedFor, Probes: a.Probes, Confirmed: a.Confirmed,
		Pause:     a.Pause,
		WrittenAt: now.Unix(),
	}
	if a.Account != nil {
		raw, err := json.Marshal(a.Account)
		if err != nil {
			return nil, err
		}
		d.Account = raw
	}
	if a.Err != nil {
		d.Error = a.Err.Error()
		d.Error = d.Error[:min(len(d.Error), maxText)]
		var api *requester.APIError
		if errors.As(a.Err, &api) {
			d.API = &apiError{api.StatusCode, api.Code, api.RequestID}
		}
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	data, err := k.encrypt(rand.Reader, a.slot(), a.Fence, plain)
	if err == nil && len(data) > shared.MaxData {
		return nil, fmt.Errorf("the answer takes %d bytes, more than %d", len(data), shared.MaxData)
	}
	return data, err
}

// open returns the answer in an entry, nil if there is none.
func open(k *Keys, s slot, e shared.Entry, now time.Time) (*Answer, error) {
	if e.Fence == 0 {
		return nil, nil
	}
	if e.Fence > shared.MaxFence || e.Age < 0 || e.Age > shared.Retention || e.Pause < 0 {
		return nil, errSealed
	}
	plain, err := k.open(s, e.Fence, e.Data)
	if err != nil {
		return nil, err
	}
	var d document
	if err := json.Unmarshal(plain, &d); err != nil {
		return nil, fmt.Errorf("the entry cannot be read: %w", err)
	}
	if skew := now.Add(-e.Age).Sub(time.Unix(d.WrittenAt, 0)).Abs(); skew > maxSkew {
		return nil, fmt.Errorf("the entry was written %s before or after the store says so", skew)
	}
	// A holder of the token wrote it, but perhaps with another program.
	bounded := func(d time.Duration) time.Duration { return max(0, min(d, shared.Retention)) }
	a := &Answer{
		Fence: e.Fence, Replica: d.Replica, Refusals: max(d.Refusals, 0),
		RefusedFor: bounded(d.RefusedFor), Probes: max(d.Probes, 0), Confirmed: d.Confirmed,
		Pause: bounded(d.Pause), Age: e.Age,
	}
	a.Class, a.RetryAfter = classOf(d.Class), bounded(d.RetryAfter)
	a.Answered = a.Class == requester.Verified || d.API != nil
	switch {
	case a.Class == 0 || a.slot() != s:
		return nil, fmt.Errorf("the entry has the class %q, which is not one of its slot", d.Class)
	case a.Class == requester.Verified:
		if a.Account, err = requester.ParseAccount(d.Account); err != nil {
			return nil, fmt.Errorf("the entry cannot be read: %w", err)
		}
	default:
		a.Err = &Error{class: a.Class, text: d.Error, api: d.API, retryAfter: a.RetryAfter}
	}
	return a, nil
}

func classOf(name string) requester.Class {
	for c := requester.Verified; c < requester.NotAsked; c++ {
		if c.String() == name {
			return c
		}
	}
	return 0
}

// Error is the error of an answer that another replica got. It unwraps to a
// *requester.APIError with the status, code and request id if there was an HTTP answer.
type Error struct {
	class      requester.Class
	text       string
	api        *apiError
	retryAfter time.Duration
}

func (e *Error) Error() string {
	return strings.ToValidUTF8(e.text, "\uFFFD") + " (asked by another replica)"
}

// Class returns the class of the answer.
func (e *Error) Class() requester.Class { return e.class }

func (e *Error) Unwrap() error {
	if e.api == nil {
		return nil
	}
	return &requester.APIError{
		StatusCode: e.api.Status, Code: e.api.Code, RequestID: e.api.RequestID,
		RetryAfter: e.retryAfter,
	}
}
