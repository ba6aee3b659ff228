package benchmarks

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// GateState is what a gate does with a request.
type GateState string

const (
	// Open: let the request through.
	Open GateState = "open"
	// OpenWithAccount: let it through, with the account in its context.
	OpenWithAccount GateState = "open-with-account"
	// Closed: reject it.
	Closed GateState = "closed"
)

// GateStates are all states.
var GateStates = []GateState{Open, OpenWithAccount, Closed}

func (s GateState) checker() (*health.Checker, error) {
	if s == Closed {
		return NewChecker(health.StatusFail)
	}
	return NewChecker(health.StatusPass)
}

// passed is the handler behind every gate.
var passed = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// The peers judge the caller's token, not the service's. It is always the same one, so that a
// cached verdict is measured.
const (
	goodKey = "AAAAAAAAAAAAAAAAAAAAAA.good.0000000000000000000000000000000000000000"
	badKey  = "AAAAAAAAAAAAAAAAAAAAAA.none.0000000000000000000000000000000000000000"
)

// Request returns the request that all subjects get. The peers accept its token if the gate is
// open.
func (s GateState) Request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
	key := goodKey
	if s == Closed {
		key = badKey
	}
	r.Header.Set("Authorization", "Bearer "+key)
	return r
}

// Gates returns gates for net/http in one state.
func Gates(state GateState) ([]Subject, error) {
	checker, err := state.checker()
	if err != nil {
		return nil, err
	}
	var opts []middleware.GateOption
	if state == OpenWithAccount {
		opts = append(opts, middleware.WithAccountInContext())
	}
	ours := nethttp.Gate(checker, opts...)(passed)
	return []Subject{
		bare(bareGate(state, checker, ours)),
		{Name: Ours, Handler: ours, Close: closer(checker)},
		kubernetesGate(state),
	}, nil
}

// bareGate is a gate whose verdict is known in advance.
func bareGate(state GateState, checker *health.Checker, ours http.Handler) http.Handler {
	switch state {
	case OpenWithAccount:
		account, _ := checker.Snapshot().Account()
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed.ServeHTTP(w,
				r.WithContext(context.WithValue(r.Context(), accountKey{}, account)))
		})
	case Closed:
		return BareAnswer(ours)
	default:
		return passed
	}
}

// accountKey is the context key of the account in the bare gates.
type accountKey struct{}

// kubernetesGate is middleware around Kubernetes' cached token authenticator. It is hand-written,
// because Kubernetes' own needs the API server. It caches for the whole run, failures too.
func kubernetesGate(state GateState) Subject {
	response := &authenticator.Response{User: &user.DefaultInfo{Name: "Jack Smith"}}
	known := authenticator.TokenFunc(
		func(_ context.Context, token string) (*authenticator.Response, bool, error) {
			return response, token == goodKey, nil
		})
	cached := cache.New(known, false, 24*time.Hour, 24*time.Hour)
	unauthorized := []byte(
		`{"kind":"Status","status":"Failure","reason":"Unauthorized","code":401}`)
	mediaType := []string{"application/json"}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		caller, ok, err := cached.AuthenticateToken(r.Context(), token)
		if err != nil || !ok {
			w.Header()["Content-Type"] = mediaType
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write(unauthorized)
			return
		}
		if state == OpenWithAccount {
			r = r.WithContext(request.WithUser(r.Context(), caller.User))
		}
		passed.ServeHTTP(w, r)
	})
	return Subject{Name: "kubernetes", Handler: h, Close: nothing}
}
