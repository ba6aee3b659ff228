package requestertest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Platform is a fake Toloka platform with accounts, tokens and faults. It is an http.Handler that
// answers GET /api/v1/requester; any other path gets the platform's 404. Create it with
// [NewPlatform] and call it in memory through [Platform.Client], or use [NewServer] for TCP. All
// methods are safe for concurrent use, also during requests.
type Platform struct {
	mu       sync.Mutex
	accounts map[string]Account
	tokens   map[tokenKey]issued
	shared   map[string]map[string]bool // account: those that may act under it
	faults   http.Handler
	byToken  map[tokenKey]http.Handler
	holds    map[chan struct{}]struct{}
	inFlight int
	count    int           // of requests that have arrived
	arrived  chan struct{} // closed and replaced at each arrival

	countByToken map[tokenKey]int
}

// tokenKey replaces a token's value, so that a printed Platform does not show it.
type tokenKey [sha256.Size]byte

func keyOf(t credentials.Token) tokenKey { return sha256.Sum256([]byte(t.Reveal())) }

// issued is a valid token.
type issued struct {
	token   credentials.Token // as it was issued
	account string
	scheme  credentials.Scheme // the one that it is valid under
}

// NewPlatform returns a healthy platform with one account, [DefaultAccount], and no tokens; see
// [Platform.IssueToken]. Inside a testing/synctest bubble create it in the bubble.
func NewPlatform() *Platform {
	p := &Platform{
		accounts: map[string]Account{},
		tokens:   map[tokenKey]issued{},
		shared:   map[string]map[string]bool{},
		byToken:  map[tokenKey]http.Handler{},
		holds:    map[chan struct{}]struct{}{},
		arrived:  make(chan struct{}),

		countByToken: map[tokenKey]int{},
	}
	p.SetAccount(DefaultAccount())
	p.ClearFaults()
	return p
}

// ServeHTTP answers as the platform does, unless a fault or a hold is set. It decides on the
// answer when the request arrives: a token that is deleted while the answer is held back is still
// valid for it.
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

// Hold delays the answer to every request that arrives from now on until release is called.
// release can be called more than once and from any goroutine. A request whose client disconnects
// ends.
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

// exchange is what is decided when a request arrives.
type exchange struct {
	requestID   string
	answer      answer
	faults      http.Handler
	tokenFaults http.Handler
}

type exchangeKey struct{}

// exchangeOf returns the exchange of a request that came through ServeHTTP.
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
	sent := tokenOf(r)
	p.count++
	p.countByToken[keyOf(sent)]++
	close(p.arrived)
	p.arrived = make(chan struct{})

	x := &exchange{requestID: requestID(p.count), faults: p.faults}
	x.answer = p.answerLocked(r, sent, x.requestID)
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

// requestID has the shape of the platform's, and ends with the request's number.
func requestID(n int) string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
}
