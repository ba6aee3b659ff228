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
)

const (
	endpoint = "https://toloka.dev/api/v1/requester"
	firstID  = "00000000-0000-4000-8000-000000000001"
)

// ask makes one request with the Authorization header as it is given; "" sends none.
func ask(t testing.TB, c *http.Client, method, url, authorization string, headers ...string) (int, http.Header, string) {
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

func TestAnswers(t *testing.T) {
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
		{"the account of a good key", "GET", "/api/v1/requester", apiKey, nil, 200, jack},
		{"the scheme in another case", "GET", "/api/v1/requester", func(p *requestertest.Platform) string { return "apikey " + p.IssueToken("").Reveal() }, nil, 200, jack},
		{"the account of a good OAuth token", "GET", "/api/v1/requester", func(p *requestertest.Platform) string { return "OAuth " + p.IssueOAuthToken("").Reveal() }, nil, 200, jack},
		{"a key as OAuth", "GET", "/api/v1/requester", func(p *requestertest.Platform) string { return "OAuth " + p.IssueToken("").Reveal() }, nil, 401, errorJSON("OAUTH_AUTHENTICATION_ERROR", "OAuth token is invalid")},
		{"an OAuth token as a key", "GET", "/api/v1/requester", func(p *requestertest.Platform) string { return "ApiKey " + p.IssueOAuthToken("").Reveal() }, nil, 401, unauthenticated},
		{"a scheme that it does not have", "GET", "/api/v1/requester", func(p *requestertest.Platform) string { return "Bearer " + p.IssueToken("").Reveal() }, nil, 401, unauthenticated},
		{"no scheme", "GET", "/api/v1/requester", func(p *requestertest.Platform) string { return p.IssueToken("").Reveal() }, nil, 401, unauthenticated},
		{"an unknown key", "GET", "/api/v1/requester", func(*requestertest.Platform) string { return "ApiKey unknown" }, nil, 401, unauthenticated},
		{"a deleted key", "GET", "/api/v1/requester", func(p *requestertest.Platform) string {
			token := p.IssueToken("")
			p.DeleteToken(token)
			return "ApiKey " + token.Reveal()
		}, nil, 401, unauthenticated},
		{"no credential", "GET", "/api/v1/requester", none, nil, 401, unauthenticated},
		{"an empty credential", "GET", "/api/v1/requester", func(*requestertest.Platform) string { return "ApiKey" }, nil, 401, unauthenticated},
		{"two credentials", "GET", "/api/v1/requester", apiKey, []string{"Authorization", "ApiKey x"}, 401, unauthenticated},
		{"its own account to act under", "GET", "/api/v1/requester", apiKey, []string{"X-Act-Under-Account-ID", requestertest.AccountID}, 200, jack},
		{"an account that is not shared", "GET", "/api/v1/requester", apiKey, []string{"X-Act-Under-Account-ID", "b"}, 403, errorJSON("ACCESS_DENIED", "Access denied")},
		{"another path", "GET", "/api/v1/projects", apiKey, nil, 404, errorJSON("DOES_NOT_EXIST", "No such object")},
		{"a path with a slash too many", "GET", "/api/v1/requester/", apiKey, nil, 404, errorJSON("DOES_NOT_EXIST", "No such object")},
		{"another method", "POST", "/api/v1/requester", apiKey, nil, 405, errorJSON("METHOD_NOT_ALLOWED", "Method not allowed")},
		{"HEAD", "HEAD", "/api/v1/requester", apiKey, nil, 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for where, setUp := range places(t) {
				p, c, base := setUp()
				status, header, body := ask(t, c, tt.method, base+tt.path, tt.authorization(p), tt.headers...)
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

// places gives a fresh platform in memory and one over TCP.
func places(t testing.TB) map[string]func() (*requestertest.Platform, *http.Client, string) {
	return map[string]func() (*requestertest.Platform, *http.Client, string){
		"in memory": func() (*requestertest.Platform, *http.Client, string) {
			p := requestertest.NewPlatform()
			return p, p.Client(), "https://toloka.dev"
		},
		"over TCP": func() (*requestertest.Platform, *http.Client, string) {
			s := requestertest.NewServer()
			t.Cleanup(s.Close)
			return s.Platform, s.Client(), s.URL
		},
	}
}

func TestAccounts(t *testing.T) {
	get := func(t *testing.T, p *requestertest.Platform, token credentials.Token, headers ...string) string {
		_, _, body := ask(t, p.Client(), "GET", endpoint, "ApiKey "+token.Reveal(), headers...)
		return body
	}
	t.Run("a token of an account that does not exist makes it", func(t *testing.T) {
		p := requestertest.NewPlatform()
		assert.Equal(t, `{"id":"b","balance":0,"public_name":{"EN":"Jack Smith"}}`, get(t, p, p.IssueToken("b")))
	})
	t.Run("an account can be there from the start", func(t *testing.T) {
		p := requestertest.NewPlatform(nil, requestertest.WithAccount(requestertest.Account{ID: "b", Balance: "1.50"}))
		assert.Equal(t, `{"id":"b","balance":1.50}`, get(t, p, p.IssueToken("b")))
	})
	t.Run("a balance is written as it is", func(t *testing.T) {
		p := requestertest.NewPlatform(requestertest.WithAccount(requestertest.Account{}))
		token := p.IssueToken("")
		for _, balance := range []string{"12", `"12"`, "1e999999999", "NaN"} {
			p.SetBalance("", balance)
			assert.Equal(t, `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":`+balance+`}`, get(t, p, token))
		}
		p.SetBalance("", "")
		assert.Equal(t, `{"id":"566ec2b0ff0deeaae5f9d500629de162"}`, get(t, p, token))
	})
	t.Run("what was given to it can be changed without changing it", func(t *testing.T) {
		names := map[string]string{"EN": "Ann"}
		company := &requester.Company{ID: "1"}
		p := requestertest.NewPlatform()
		p.SetAccount(requestertest.Account{ID: "b", PublicName: names, Company: company})
		names["EN"], company.ID = "x", "x"
		assert.Equal(t, `{"id":"b","public_name":{"EN":"Ann"},"company":{"id":"1","superintendent_id":""}}`, get(t, p, p.IssueToken("b")))
	})
	t.Run("a shared account can be acted under", func(t *testing.T) {
		p := requestertest.NewPlatform()
		p.SetAccount(requestertest.Account{ID: "b"})
		p.ShareAccount("b", "")
		token := p.IssueToken("")
		assert.Equal(t, `{"id":"b"}`, get(t, p, token, "X-Act-Under-Account-ID", "b"))
		assert.Contains(t, get(t, p, p.IssueToken("c"), "X-Act-Under-Account-ID", "b"), "ACCESS_DENIED")
	})
	t.Run("a token of the test's own choice", func(t *testing.T) {
		p := requestertest.NewPlatform()
		token, err := credentials.ParseToken("secret")
		require.NoError(t, err)
		p.AcceptToken("", token)
		p.AcceptToken("", credentials.Token{})
		assert.Contains(t, get(t, p, token), "Jack Smith")
		p.AcceptToken("", token.WithScheme(credentials.SchemeOAuth))
		assert.Contains(t, get(t, p, token), "AUTHENTICATION_ERROR")
		_, _, body := ask(t, p.Client(), "GET", endpoint, "")
		assert.Contains(t, body, "AUTHENTICATION_ERROR", "the zero token is nobody's")
	})
	t.Run("issued tokens have the shape of the platform's", func(t *testing.T) {
		p := requestertest.NewPlatform()
		seen := map[string]bool{}
		for range 100 {
			token := p.IssueToken("")
			assert.True(t, token.LooksLikeAPIKey())
			assert.Empty(t, token.Scheme())
			seen[token.Reveal()] = true
			oauth := p.IssueOAuthToken("")
			assert.False(t, oauth.LooksLikeAPIKey())
			assert.Equal(t, credentials.SchemeOAuth, oauth.Scheme())
			seen[oauth.Reveal()] = true
		}
		assert.Len(t, seen, 200)
	})
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := requestertest.NewPlatform()
		key, oauth := p.IssueToken(""), p.IssueOAuthToken("")
		begin := time.Now()
		ask(t, p.Client(), "GET", endpoint, "ApiKey "+key.Reveal(), "User-Agent", "x/1")
		time.Sleep(time.Minute)
		ask(t, p.Client(), "GET", "http://127.0.0.1:9000/elsewhere", "OAuth "+oauth.Reveal())
		ask(t, p.Client(), "POST", endpoint, "Bearer x")
		ask(t, p.Client(), "GET", endpoint, "")
		ask(t, p.Client(), "GET", endpoint, "ApiKey unknown")

		log := p.Requests()
		require.Len(t, log, 5)
		assert.Equal(t, 5, p.Count())
		assert.Equal(t, 1, p.CountToken(key))
		assert.Equal(t, 1, p.CountToken(oauth))

		assert.True(t, log[0].Time.Equal(begin))
		assert.True(t, log[0].Token.Equal(key))
		first := log[0]
		first.Token = credentials.Token{} // funcs do not compare
		assert.Equal(t, requestertest.Request{Time: first.Time, Method: "GET", Host: "toloka.dev", Path: "/api/v1/requester",
			Scheme: "ApiKey", Header: http.Header{"User-Agent": {"x/1"}}}, first)
		assert.True(t, log[1].Time.Equal(begin.Add(time.Minute)))
		assert.True(t, log[1].Token.Equal(oauth))
		assert.Equal(t, "127.0.0.1:9000", log[1].Host)
		assert.Equal(t, "/elsewhere", log[1].Path)
		assert.Equal(t, "POST", log[2].Method)
		assert.True(t, log[2].Token.IsZero(), "a scheme that the platform does not have is no token")
		assert.True(t, log[3].Token.IsZero())
		assert.Equal(t, "unknown", log[4].Token.Reveal())
		assert.Equal(t, credentials.SchemeAPIKey, log[4].Scheme)
		assert.Empty(t, log[4].Token.Scheme())
	})
}

func TestWaitCount(t *testing.T) {
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

func TestHold(t *testing.T) {
	t.Run("an answer is kept back until it is let go, and is what it would have been on arrival", func(t *testing.T) {
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
			assert.False(t, answered, "the second hold is still there")
			second()
			synctest.Wait()
			assert.True(t, answered)
			assert.Zero(t, p.InFlight())
			_, _, body := ask(t, p.Client(), "GET", endpoint, "ApiKey "+token.Reveal())
			assert.Contains(t, body, "AUTHENTICATION_ERROR", "nothing is held any more")
		})
	})
	for where, setUp := range places(t) {
		t.Run("a client that goes away is let go "+where, func(t *testing.T) {
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

func TestAnotherServer(t *testing.T) {
	t.Run("the platform is a handler like any other", func(t *testing.T) {
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
