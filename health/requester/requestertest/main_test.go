package requestertest_test

import (
	"crypto/rand"
	"testing"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// empty answers without a body.
func empty(status int) requestertest.Fault { return requestertest.Body(status, "", "") }

// oauthToken returns a new valid token that states the scheme OAuth.
func oauthToken(p *requestertest.Platform) credentials.Token {
	t, err := credentials.ParseToken("OAuth AQAAAA" + rand.Text())
	if err != nil {
		panic(err)
	}
	p.AcceptToken("", t)
	return t
}
