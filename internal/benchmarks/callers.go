package benchmarks

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"
	"github.com/patrickmn/go-cache"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	tokencache "k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// CallerTokens are the Authorization headers of callers that are all verified.
type CallerTokens []string

// NewCallers returns handlers that verify callers from a cache that holds all n tokens: this
// library's on net/http and Echo, Kubernetes' cached token authenticator, and Echo's KeyAuth with
// a go-cache keyed by the raw token. The bare handler verifies nothing: it removes the header and
// adds a constant to the context.
func NewCallers(n int) ([]Subject, CallerTokens, error) {
	p := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()))
	if err != nil {
		return nil, nil, err
	}
	callers, err := middleware.NewCallers(client,
		middleware.WithUnknownBudget(1e9, n), middleware.WithMaxCallers(2*n),
		middleware.WithCallerTTL(time.Hour), middleware.WithCallerMaxStale(time.Hour))
	if err != nil {
		return nil, nil, err
	}
	tokens := make(CallerTokens, n)
	for i := range tokens {
		t := p.IssueToken(fmt.Sprint(i))
		tokens[i] = string(credentials.SchemeAPIKey) + " " + t.Reveal()
	}
	passed := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, ok := middleware.CallerFrom(r.Context()); !ok {
			panic("no caller")
		}
	})
	subjects := []Subject{
		bare(constantCaller()),
		{Name: Ours, Handler: nethttp.Callers(callers)(passed), Close: callers.Close},
		{Name: "kubernetes", Handler: kubernetesTokens(), Close: nothing},
		{Name: "tolokacheck-echo", Handler: routed(echoPassed, echoadapter.Callers(callers)),
			Close: nothing},
		{Name: "keyauth-cache", Handler: routed(echoPassed, keyAuthCache()), Close: nothing},
	}
	return subjects, tokens, nil
}

// known panics if there is no account in the context. It is a variable, so that the compiler cannot
// keep the request's copy on the stack.
var known http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
	if r.Context().Value(accountKey{}) == nil {
		panic("no caller")
	}
})

// handOn does what net/http forces on all middleware of this kind.
func handOn(account any, w http.ResponseWriter, r *http.Request) {
	r.Header.Del("Authorization")
	known.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), accountKey{}, account)))
}

func constantCaller() http.Handler {
	account := new(requester.Account)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handOn(account, w, r) })
}

func kubernetesTokens() http.Handler {
	tokens := tokencache.New(authenticator.TokenFunc(
		func(_ context.Context, token string) (*authenticator.Response, bool, error) {
			return &authenticator.Response{User: &user.DefaultInfo{Name: token[:8]}}, true, nil
		}), false, time.Hour, time.Hour)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "ApiKey ")
		resp, ok, err := tokens.AuthenticateToken(r.Context(), token)
		if err != nil || !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handOn(resp.User, w, r)
	})
}

func keyAuthCache() echo.MiddlewareFunc {
	verified := cache.New(time.Hour, 0)
	return echomw.KeyAuthWithConfig(echomw.KeyAuthConfig{
		AuthScheme: "ApiKey",
		Validator: func(token string, c echo.Context) (bool, error) {
			account, ok := verified.Get(token)
			if !ok {
				account = token[:8]
				verified.SetDefault(token, account)
			}
			c.Set("account", account)
			return true, nil
		},
	})
}
