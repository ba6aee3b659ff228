package simulation

import (
	"math/rand/v2"
	"time"
)

// Answer is what a call to the platform returned.
type Answer struct {
	// Status is the HTTP status: 200 accepts the token, 401 refuses it, 429 and 503 say nothing
	// about it. It is 0 if no answer came.
	Status int
	// RetryAfter is the header of that name, 0 if there was none.
	RetryAfter time.Duration
	// Latency is how long the call took: it was sent that long ago.
	Latency time.Duration
}

// platform is a model of the platform.
type platform struct {
	random     *rand.Rand
	status     int // of every answer, 200 for what the token deserves
	retryAfter time.Duration
	deleted    map[int]bool // tokens

	refusedAt time.Duration // when it first refused a token, 0 if it did not
}

// accepts reports whether the platform answers and accepts the token.
func (p *platform) accepts(token int) bool { return p.status == 200 && !p.deleted[token] }

// answer is what the platform answers to a call about a token.
func (p *platform) answer(now time.Duration, token int) Answer {
	switch {
	case p.status != 200:
		return Answer{Status: p.status, RetryAfter: p.retryAfter}
	case p.deleted[token]:
		if p.refusedAt == 0 {
			p.refusedAt = now
		}
		return Answer{Status: 401}
	default:
		return Answer{Status: 200}
	}
}

// between returns a random duration from a to b.
func between(random *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(random.Int64N(int64(b-a)+1))
}
