package requestertest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Platform is a fake of the Toloka platform with accounts, tokens and faults, as an
// http.Handler. It knows GET /api/v1/requester; any other path is a 404 in the platform's
// words. Make one with [NewPlatform], reach it by [Platform.Client] without a socket or by
// [NewServer] over TCP. All methods are safe for concurrent use, also while requests are
// under way.
type Platform struct {
	mu       sync.Mutex
	accounts map[string]Account
	tokens   map[tokenKey]issued
	shared   map[string]map[string]bool // account: those that may act under it
	faults   http.Handler
	byToken  map[tokenKey]http.Handler
	holds    map[chan struct{}]struct{}
	requests []Request
	inFlight int
	arrived  chan struct{} // closed and replaced at each arrival
}

// tokenKey stands for a token's value, which a test that prints its platform does not want
// to see.
type tokenKey [sha256.Size]byte

func keyOf(t credentials.Token) tokenKey { return sha256.Sum256([]byte(t.Reveal())) }

// issued is what the platform knows of a token.
type issued struct {
	token   credentials.Token // as it was given out
	account string
	scheme  credentials.Scheme // the one that it works under
}

// Option sets up a [Platform].
type Option func(*Platform)

// WithAccount adds an account from the start, as [Platform.SetAccount] does later.
func WithAccount(a Account) Option {
	return func(p *Platform) { p.SetAccount(a) }
}

// NewPlatform returns a healthy platform that has the account of the platform's
// documentation, [DefaultAccount], and no tokens: get one by [Platform.IssueToken]. For a
// testing/synctest bubble make it inside the bubble.
func NewPlatform(opts ...Option) *Platform {
	p := &Platform{
		accounts: map[string]Account{},
		tokens:   map[tokenKey]issued{},
		shared:   map[string]map[string]bool{},
		byToken:  map[tokenKey]http.Handler{},
		holds:    map[chan struct{}]struct{}{},
		arrived:  make(chan struct{}),
	}
	p.SetAccount(DefaultAccount())
	p.ClearFaults()
	for _, opt := range opts {
		if opt != nil {
			opt(p)
		}
	}
	return p
}

// ServeHTTP answers as the platform would, unless a fault or a hold is set. What it answers
// is decided when the request arrives: a token that is deleted while the answer is held
// back still gets its account.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, holds := p.arrive(r)
	defer p.leave()
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	for _, hold := range holds {
		select {
		case <-hold:
		case <-r.Context().Done():
			abort()
		}
	}
	x.faults.ServeHTTP(w, r)
}

// Hold keeps back the answer to every request that arrives from now on until release is
// called, which may be done more than once and from anywhere. A client that goes away is
// let go.
func (p *Platform) Hold() (release func()) {
	hold := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds[hold] = struct{}{}
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.holds, hold)
		close(hold)
	})
}

// exchange is what is settled about a request when it arrives.
type exchange struct {
	requestID   string
	token       credentials.Token // what was sent, whether it is good or not
	answer      answer
	faults      http.Handler
	tokenFaults http.Handler
}

type exchangeKey struct{}

// exchangeOf finds the exchange of a request that came through ServeHTTP.
func exchangeOf(r *http.Request) *exchange {
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{requestID: requestID(0)}
}

func (p *Platform) arrive(r *http.Request) (*exchange, []chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight++
	entry, sent := p.logged(r)
	p.requests = append(p.requests, entry)
	close(p.arrived)
	p.arrived = make(chan struct{})

	x := &exchange{requestID: requestID(len(p.requests)), token: sent, faults: p.faults}
	x.answer = p.answerTo(r, sent, x.requestID)
	x.tokenFaults = p.byToken[keyOf(sent)]
	if x.tokenFaults == nil {
		x.tokenFaults = http.HandlerFunc(serveAnswer)
	}
	var holds []chan struct{}
	for hold := range p.holds {
		holds = append(holds, hold)
	}
	return x, holds
}

func (p *Platform) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
}

// requestID has the shape of the platform's, and tells which request of the log it was.
func requestID(n int) string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
}
