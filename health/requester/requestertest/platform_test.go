package requestertest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/secrettext"
)

const (
	endpoint = "https://toloka.dev/api/v1/requester"
	firstID  = "00000000-0000-4000-8000-000000000001"
)

// ask makes one request with this Authorization header; "" sends none.
func ask(t testing.TB, c *http.Client, method, url, authorization string, headers ...string) (int,
	http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(body)
}

func errorJSON(code, message string) string {
	return `{"request_id":"` + firstID + `","code":"` + code + `","message":"` + message + `"}`
}

func TestPlatform_answers(t *testing.T) {
	const jack = `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,"public_name":{"EN":"Jack Smith"},` +
		`"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`
	unauthenticated := errorJSON("AUTHENTICATION_ERROR", "Authentication failed")
	tests := []struct {
		name, method, path string
		authorization      func(p *requestertest.Platform) string
		headers            []string
		status             int
		body               string
	}{
		{"valid key", "GET", "/api/v1/requester", apiKey, nil, 200, jack},
		{"scheme in lower case", "GET", "/api/v1/requester",
			func(p *requestertest.Platform) string {
				return "apikey " +
					p.IssueToken("").Reveal()
			}, nil, 200, jack},
		{"valid OAuth token", "GET", "/api/v1/requester",
			func(p *requestertest.Platform) string {
				return "OAuth " +
					oauthToken(p).Reveal()
			}, nil, 200, jack},
		{"key as OAuth", "GET", "/api/v1/requester",
			func(p *requestertest.Platform) string {
				return "OAuth " +
					p.IssueToken("").Reveal()
			}, nil, 401, errorJSON("OAUTH_AUTHENTICATION_ERROR", "OAuth token is invalid")},
		{"OAuth token as key", "GET", "/api/v1/requester",
			func(p *requestertest.Platform) string {
				return "ApiKey " +
					oauthToken(p).Reveal()
			}, nil, 401, unauthenticated},
		{"unknown scheme", "GET", "/api/v1/requester",
			func(p *requestertest.Platform) string {
				return "Bearer " +
					p.IssueToken("").Reveal()
			}, nil, 401, unauthenticated},
		{"no scheme", "GET", "/api/v1/requester",
			func(p *requestertest.Platform) string { return p.IssueToken("").Reveal() }, nil, 401,
			unauthenticated},
		{"unknown key", "GET", "/api/v1/requester",
			func(*requestertest.Platform) string { return "ApiKey unknown" }, nil, 401, unauthenticated},
		{"deleted key", "GET", "/api/v1/requester", func(p *requestertest.Platform) string {
			token := p.IssueToken("")
			p.DeleteToken(token)
			return "ApiKey " + token.Reveal()
		}, nil, 401, unauthenticated},
		{"no header", "GET", "/api/v1/requester", none, nil, 401, unauthenticated},
		{"scheme only", "GET", "/api/v1/requester",
			func(*requestertest.Platform) string { return "ApiKey" }, nil, 401, unauthenticated},
		{"two headers", "GET", "/api/v1/requester", apiKey, []string{"Authorization", "ApiKey x"}, 401,
			unauthenticated},
		{"acts under its own account", "GET", "/api/v1/requester", apiKey,
			[]string{"X-Act-Under-Account-ID", requestertest.DefaultAccount().ID}, 200, jack},
		{"acts under an account that is not shared", "GET", "/api/v1/requester", apiKey,
			[]string{"X-Act-Under-Account-ID", "b"}, 403, errorJSON("ACCESS_DENIED", "Access denied")},
		{"another path", "GET", "/api/v1/projects", apiKey, nil, 404,
			errorJSON("DOES_NOT_EXIST", "No such object")},
		{"path with a trailing slash", "GET", "/api/v1/requester/", apiKey, nil, 404,
			errorJSON("DOES_NOT_EXIST", "No such object")},
		{"another method", "POST", "/api/v1/requester", apiKey, nil, 405,
			errorJSON("METHOD_NOT_ALLOWED", "Method not allowed")},
		{"HEAD", "HEAD", "/api/v1/requester", apiKey, nil, 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for where, setUp := range places(t) {
				p, c, base := setUp()
				status, header, body := ask(t, c, tt.method, base+tt.path, tt.authorization(p),
					tt.headers...)
				assert.Equal(t, tt.status, status, where)
				assert.Equal(t, tt.body, body, where)
				assert.Equal(t, "application/json;charset=UTF-8", header.Get("Content-Type"), where)
				assert.NotEmpty(t, header.Get("Date"), where)
				if status == 405 {
					assert.Equal(t, "GET", header.Get("Allow"), where)
				}
			}
		})
	}
}

func apiKey(p *requestertest.Platform) string { return "ApiKey " + p.IssueToken("").Reveal() }
func none(*requestertest.Platform) string     { return "" }

// places returns constructors of a platform in memory and one over TCP.
func places(t testing.TB) map[string]func() (*requestertest.Platform, *http.Client, string) {
	return map[string]func() (*requestertest.Platform, *http.Client, string){
		"memory": func() (*requestertest.Platform, *http.Client, string) {
			p := requestertest.NewPlatform()
			return p, p.Client(), "https://toloka.dev"
		},
		"TCP": func() (*requestertest.Platform, *http.Client, string) {
			s := requestertest.NewServer()
			t.Cleanup(s.Close)
			return s.Platform, s.Client(), s.URL
		},
	}
}

func TestPlatform_accounts(t *testing.T) {
	get := func(t *testing.T, p *requestertest.Platform, token credentials.Token, headers ...string) string {
		_, _, body := ask(t, p.Client(), "GET", endpoint, "ApiKey "+token.Reveal(), headers...)
		return body
	}
	t.Run("IssueToken creates the account", func(t *testing.T) {
		p := requestertest.NewPlatform()
		assert.Equal(t, `{"id":"b","balance":0,"public_name":{"EN":"Jack Smith"}}`,
			get(t, p, p.IssueToken("b")))
	})
	t.Run("SetAccount", func(t *testing.T) {
		p := requestertest.NewPlatform()
		p.SetAccount(requestertest.Account{ID: "b", Balance: "1.50"})
		assert.Equal(t, `{"id":"b","balance":1.50}`, get(t, p, p.IssueToken("b")))
	})
	t.Run("invalid balance", func(t *testing.T) {
		p := requestertest.NewPlatform()
		token := p.IssueToken("")
		for _, balance := range []string{"12", `"12"`, "1e999999999", "NaN"} {
			p.SetAccount(requestertest.Account{Balance: balance})
			assert.Equal(t, `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":`+balance+`}`,
				get(t, p, token))
		}
		p.SetAccount(requestertest.Account{})
		assert.Equal(t, `{"id":"566ec2b0ff0deeaae5f9d500629de162"}`, get(t, p, token))
	})
	t.Run("SetAccount copies its argument", func(t *testing.T) {
		names := map[string]string{"EN": "Ann"}
		company := &requester.Company{ID: "1"}
		p := requestertest.NewPlatform()
		p.SetAccount(requestertest.Account{ID: "b", PublicName: names, Company: company})
		names["EN"], company.ID = "x", "x"
		assert.Equal(t, `{"id":"b","public_name":{"EN":"Ann"},"company":{"id":"1","superintendent_id":""}}`,
			get(t, p, p.IssueToken("b")))
	})
	t.Run("ShareAccount", func(t *testing.T) {
		p := requestertest.NewPlatform()
		p.SetAccount(requestertest.Account{ID: "b"})
		p.ShareAccount("b", "")
		token := p.IssueToken("")
		assert.Equal(t, `{"id":"b"}`, get(t, p, token, "X-Act-Under-Account-ID", "b"))
		assert.Contains(t, get(t, p, p.IssueToken("c"), "X-Act-Under-Account-ID", "b"), "ACCESS_DENIED")
	})
	t.Run("AcceptToken", func(t *testing.T) {
		p := requestertest.NewPlatform()
		token, err := credentials.ParseToken("secret")
		require.NoError(t, err)
		p.AcceptToken("", token)
		p.AcceptToken("", credentials.Token{})
		assert.Contains(t, get(t, p, token), "Jack Smith")
		p.AcceptToken("", token.WithScheme(credentials.SchemeOAuth))
		assert.Contains(t, get(t, p, token), "AUTHENTICATION_ERROR")
		_, _, body := ask(t, p.Client(), "GET", endpoint, "")
		assert.Contains(t, body, "AUTHENTICATION_ERROR", "the zero token is not valid")
	})
	t.Run("shape of issued tokens", func(t *testing.T) {
		p := requestertest.NewPlatform()
		seen := map[string]bool{}
		for range 100 {
			token := p.IssueToken("")
			assert.True(t, secrettext.APIKey(token.Reveal()))
			assert.Empty(t, token.Scheme())
			seen[token.Reveal()] = true
			oauth := oauthToken(p)
			assert.False(t, secrettext.APIKey(oauth.Reveal()))
			assert.Equal(t, credentials.SchemeOAuth, oauth.Scheme())
			seen[oauth.Reveal()] = true
		}
		assert.Len(t, seen, 200)
	})
}

func TestPlatform_Count(t *testing.T) {
	p := requestertest.NewPlatform()
	key, oauth := p.IssueToken(""), oauthToken(p)
	ask(t, p.Client(), "GET", endpoint, "ApiKey "+key.Reveal())
	ask(t, p.Client(), "GET", "http://127.0.0.1:9000/elsewhere", "OAuth "+oauth.Reveal())
	ask(t, p.Client(), "GET", endpoint, "ApiKey "+oauth.Reveal())
	ask(t, p.Client(), "POST", endpoint, "Bearer x")
	ask(t, p.Client(), "GET", endpoint, "")
	ask(t, p.Client(), "GET", endpoint, "ApiKey unknown")
	assert.Equal(t, 6, p.Count())
	assert.Equal(t, 1, p.CountToken(key))
	assert.Equal(t, 2, p.CountToken(oauth), "under any scheme")
}

func TestPlatform_WaitCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := requestertest.NewPlatform()
		require.NoError(t, p.WaitCount(t.Context(), 0))
		go func() {
			for range 3 {
				time.Sleep(time.Second)
				ask(t, p.Client(), "GET", endpoint, "")
			}
		}()
		begin := time.Now()
		require.NoError(t, p.WaitCount(t.Context(), 2))
		assert.Equal(t, 2*time.Second, time.Since(begin))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := p.WaitCount(ctx, 4)
		assert.EqualError(t, err, "requestertest: 3 of 4 requests have arrived: context deadline exceeded")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestPlatform_Hold(t *testing.T) {
	t.Run("answer is decided on arrival", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := requestertest.NewPlatform()
			token := p.IssueToken("")
			release := p.Hold()
			second := p.Hold()
			answered := false
			go func() {
				_, _, body := ask(t, p.Client(), "GET", endpoint, "ApiKey "+token.Reveal())
				assert.Contains(t, body, "Jack Smith")
				answered = true
			}()
			synctest.Wait()
			assert.Equal(t, 1, p.InFlight())
			p.DeleteToken(token)
			release()
			release()
			synctest.Wait()
			assert.False(t, answered, "the second hold is still set")
			second()
			synctest.Wait()
			assert.True(t, answered)
			assert.Zero(t, p.InFlight())
			_, _, body := ask(t, p.Client(), "GET", endpoint, "ApiKey "+token.Reveal())
			assert.Contains(t, body, "AUTHENTICATION_ERROR", "no hold is set")
		})
	})
	for where, setUp := range places(t) {
		t.Run("client disconnects/"+where, func(t *testing.T) {
			p, c, base := setUp()
			defer p.Hold()()
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				_ = p.WaitCount(ctx, 1)
				cancel()
			}()
			req, err := http.NewRequestWithContext(ctx, "GET", base+"/api/v1/requester", nil)
			require.NoError(t, err)
			_, err = c.Do(req)
			assert.ErrorIs(t, err, context.Canceled)
			cancel()
		})
	}
}

func TestPlatform_ServeHTTP(t *testing.T) {
	t.Run("in a ServeMux", func(t *testing.T) {
		p := requestertest.NewPlatform()
		mux := http.NewServeMux()
		mux.Handle("/api/v1/", p)
		w := newRecorder()
		req, err := http.NewRequest("GET", endpoint, strings.NewReader(""))
		require.NoError(t, err)
		mux.ServeHTTP(w, req)
		assert.Equal(t, 401, w.Code)
	})
}

func TestAccount_Verified(t *testing.T) {
	account := requestertest.DefaultAccount().Verified()
	assert.Equal(t, "566ec2b0ff0deeaae5f9d500629de162 (Jack Smith), company 123, balance 121.3 USD",
		account.String())
	assert.Equal(t, "566ec2b0ff0deeaae5f9d500629de162", requestertest.Account{}.Verified().ID())
	assert.PanicsWithValue(t, `requestertest: Account.Verified: requester: not an account: `+
		`the member "id" has white space or characters outside printable ASCII`,
		func() { requestertest.Account{ID: "a b"}.Verified() })
}
