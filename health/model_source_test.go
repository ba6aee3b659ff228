package health_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// modelMode is how the source answers.
type modelMode uint8

const (
	reads         modelMode = iota
	readsLate               // after 0.6 of the source's timeout
	readsTooLate            // after 1.7 times the source's timeout, whatever the context
	isMissing               // ErrNotFound
	isInvalid               // ErrInvalid
	isBroken                // any other error
	readsPartly             // tokens and an error
	readsNothing            // neither a token nor an error
	readsZero               // its tokens, and a zero token among them
	readHangs               // until its context ends
	readHangsRude           // until its mode changes
	readPanics              //
	readExits               // runtime.Goexit
	modelModes
)

var modelModeNames = [modelModes]string{
	"", "late", "too late", "missing", "invalid", "broken", "with an error", "nothing",
	"with a zero token", "hangs", "hangs beyond the context", "panics", "exits its goroutine",
}

// modelSource is the provider.
type modelSource struct {
	w *modelWorld

	mu        sync.Mutex
	holding   []int // the tokens, the most preferred one first
	mode      modelMode
	release   chan struct{}
	reading   int
	starts    int           // how often the checker was started
	goodSince time.Duration // since when the mode is reads, and the holding the same
	troubled  bool          // a read or a look was ever anything else than good and in time

	delivered   []int                      // by the last read, and what it may have taken over
	knownUntil  [modelTokens]time.Duration // by a read
	deliveredAt time.Duration
	ever        bool // a token was delivered
}

func (s *modelSource) init(w *modelWorld) {
	s.w, s.release, s.holding = w, make(chan struct{}), []int{0}
}

func (s *modelSource) set(holding []int, mode modelMode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding, s.mode, s.goodSince = holding, mode, never
	if mode == reads {
		s.goodSince = s.w.now()
	}
	close(s.release)
	s.release = make(chan struct{})
}

// forget is called when the checker starts anew.
func (s *modelSource) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts++
	s.delivered, s.ever, s.troubled = nil, false, s.mode != reads || s.reading > 0
}

// enter begins a read or a look and behaves as the mode says. It returns the mode that counts.
func (s *modelSource) enter(ctx context.Context, read bool) modelMode {
	s.mu.Lock()
	s.reading++
	n, mode, release := s.reading, s.mode, s.release
	if mode != reads {
		s.troubled = true
	}
	s.mu.Unlock()
	s.w.noteRead(n, read)
	switch mode {
	case readsLate:
		select {
		case <-time.After(s.w.config.sourceTimeout * 6 / 10):
		case <-ctx.Done():
		}
		return reads
	case readsTooLate:
		time.Sleep(s.w.config.sourceTimeout * 17 / 10)
		return reads
	case readHangs:
		select {
		case <-ctx.Done():
		case <-release:
		}
		return mode
	case readHangsRude:
		<-release
		return reads
	case readPanics:
		s.leave()
		panic("model: the source panics")
	case readExits:
		s.leave()
		runtime.Goexit()
	}
	return mode
}

func (s *modelSource) leave() {
	s.mu.Lock()
	s.reading--
	s.mu.Unlock()
}

var errModelSource = map[modelMode]error{
	isMissing:   fmt.Errorf("model: not there: %w", credentials.ErrNotFound),
	isInvalid:   fmt.Errorf("model: invalid: %w", credentials.ErrInvalid),
	isBroken:    errors.New("model: input/output error"),
	readsPartly: errors.New("model: the second half is not readable"),
	readHangs:   context.DeadlineExceeded,
}

// read returns what the source holds; several says whether it is a MultiProvider's.
func (s *modelSource) read(ctx context.Context, several bool) ([]credentials.Token, error) {
	s.mu.Lock()
	start := s.starts
	s.mu.Unlock()
	mode := s.enter(ctx, true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading--
	holding := slices.Clone(s.holding)
	if !several {
		holding = holding[:1]
	}
	switch mode {
	case reads, readsZero, readsPartly, readsNothing:
	default:
		return nil, errModelSource[mode]
	}
	previous := s.delivered
	if start != s.starts || s.w.idle() { // a Start that has failed has no use for it
		return nil, errModelSource[isBroken]
	}
	s.delivered, s.deliveredAt = holding, s.w.now()
	for _, i := range previous {
		s.knownUntil[i] = s.deliveredAt
	}
	sure := holding
	if mode != reads { // the checker may take it or leave it
		s.delivered = append(slices.Clone(holding), previous...)
		sure = slices.DeleteFunc(slices.Clone(holding), func(i int) bool {
			return !slices.Contains(previous, i)
		})
	}
	s.ever = s.ever || mode == reads || mode == readsPartly && several
	s.w.noteOffered(sure)
	var tokens []credentials.Token
	for _, i := range holding {
		tokens = append(tokens, modelTokenValues[i])
	}
	switch {
	case mode == readsNothing:
		return nil, nil
	case mode == readsZero && several:
		tokens = slices.Insert(tokens, len(tokens)/2, credentials.Token{})
	case mode == readsZero:
		tokens = []credentials.Token{{}}
	}
	return tokens, errModelSource[mode]
}

// offers reports which tokens the checker may know from the source at now, and whether a read has
// delivered them at this very moment, so that those of the one before count, too.
func (s *modelSource) offers(now time.Duration) (known [modelTokens]bool, justNow bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.delivered {
		known[i] = true
	}
	for i, until := range s.knownUntil {
		known[i] = known[i] || until == now
	}
	return known, s.deliveredAt == now
}

// look is a poll of a caller that has these tokens.
func (s *modelSource) look(ctx context.Context, several bool, have []credentials.Token) (bool, error) {
	mode := s.enter(ctx, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading--
	holding := s.holding
	if !several {
		holding = holding[:1]
	}
	if mode != reads {
		if err := errModelSource[mode]; err != nil {
			return false, err
		}
	}
	same := slices.EqualFunc(holding, have, func(i int, t credentials.Token) bool {
		return modelTokenValues[i].Equal(t)
	})
	if !same {
		s.w.noteChanged()
	}
	return !same, nil
}

func (s *modelSource) Describe() string { return "model:source" }

// The kinds of provider without Poll. Those with it are in model_engine_test.go.
type (
	modelSingle struct{ s *modelSource }
	modelMulti  struct{ s *modelSource }
)

func (p modelSingle) Describe() string { return p.s.Describe() }
func (p modelMulti) Describe() string  { return p.s.Describe() }

func (p modelSingle) Token(ctx context.Context) (credentials.Token, error) {
	tokens, err := p.s.read(ctx, false)
	if len(tokens) == 0 {
		return credentials.Token{}, err
	}
	return tokens[0], err
}

func (p modelMulti) Tokens(ctx context.Context) ([]credentials.Token, error) {
	return p.s.read(ctx, true)
}

func (p modelMulti) Token(ctx context.Context) (credentials.Token, error) {
	tokens, err := p.s.read(ctx, true)
	if len(tokens) == 0 {
		return credentials.Token{}, err
	}
	return tokens[0], err
}
