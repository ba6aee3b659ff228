package requester_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/faults"
)

func TestNew(t *testing.T) {
	tests := []struct {
		env               requester.Environment
		base, environment string
	}{
		{"", "https://toloka.dev", "production"},
		{requester.Production, "https://toloka.dev", "production"},
		{requester.Sandbox, "https://sandbox.toloka.dev", "sandbox"},
	}
	for _, tt := range tests {
		c, err := requester.New(tt.env)
		require.NoError(t, err)
		assert.Equal(t, tt.base, c.BaseURL().String())
		assert.Equal(t, tt.environment, c.Environment())
		assert.Equal(t, 5*time.Second, c.Timeout())
	}
	t.Run("same option twice", func(t *testing.T) {
		c, err := requester.New("", requester.WithTimeout(time.Second),
			requester.WithTimeout(2*time.Second))
		require.NoError(t, err)
		assert.Equal(t, 2*time.Second, c.Timeout())
	})
}

func TestNew_errors(t *testing.T) {
	const (
		userAgentChars = "requester: WithUserAgent: the product has line breaks, control characters " +
			"or characters outside ASCII"
		accountChars = "requester: WithActUnderAccount: the account id is longer than 128 bytes, or has " +
			"white space or characters outside printable ASCII"
		scheme = `requester: WithScheme: unknown scheme: use "ApiKey" or "OAuth"`
	)
	tests := []struct {
		name string
		env  requester.Environment
		opt  requester.Option
		want string
	}{
		{"unknown environment", "staging", requester.WithTimeout(time.Second),
			`requester: unknown environment "staging": use "production" or "sandbox"`},
		{"environment in capitals", "Production", requester.WithTimeout(time.Second),
			`requester: unknown environment "Production": use "production" or "sandbox"`},
		{"unknown environment with a base URL", "staging", requester.WithBaseURL("https://gateway.example"),
			`requester: unknown environment "staging": use "production" or "sandbox"`},
		{"nil option", "", nil, "requester: option 1 of 1 is nil"},
		{"timeout of zero", "", requester.WithTimeout(0), "requester: WithTimeout(0s): must be at least 10ms; is its unit missing, as in 5*time.Second?"},
		{"timeout without a unit", "", requester.WithTimeout(5),
			"requester: WithTimeout(5ns): must be at least 10ms; is its unit missing, as in 5*time.Second?"},
		{"negative timeout", "", requester.WithTimeout(-time.Second),
			"requester: WithTimeout(-1s): must be at least 10ms; is its unit missing, as in 5*time.Second?"},
		{"nil client", "", requester.WithHTTPClient(nil),
			"requester: WithHTTPClient(nil): the client must not be nil; leave the option out for the default"},
		{"empty account", "", requester.WithActUnderAccount(""),
			"requester: WithActUnderAccount: the account id is empty"},
		{"account with a line break", "", requester.WithActUnderAccount("a\r\nX: y"), accountChars},
		{"account with a space", "", requester.WithActUnderAccount("a b"), accountChars},
		{"account outside ASCII", "", requester.WithActUnderAccount("ä"), accountChars},
		{"account of 129 bytes", "", requester.WithActUnderAccount(strings.Repeat("a", 129)), accountChars},
		{"empty product", "", requester.WithUserAgent(""),
			"requester: WithUserAgent: the product is empty"},
		{"blank product", "", requester.WithUserAgent(" \n"),
			"requester: WithUserAgent: the product is empty"},
		{"product with a line break", "", requester.WithUserAgent("billing/1\r\nX: y"), userAgentChars},
		{"product with a trailing line break", "", requester.WithUserAgent("billing/1\n"), userAgentChars},
		{"product outside ASCII", "", requester.WithUserAgent("bäckerei/1"), userAgentChars},
		{"product with DEL", "", requester.WithUserAgent("a\x7f"), userAgentChars},
		{"unknown scheme", "", requester.WithScheme("Bearer"), scheme},
		{"empty scheme", "", requester.WithScheme(""), scheme},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := requester.New(tt.env, tt.opt)
			assert.Nil(t, c)
			assert.EqualError(t, err, tt.want)
		})
	}
	t.Run("several errors", func(t *testing.T) {
		_, err := requester.New("x", requester.WithTimeout(0), nil, requester.WithHTTPClient(nil))
		assert.EqualError(t, err, "requester: WithTimeout(0s): must be at least 10ms; is its unit missing, as in 5*time.Second?\n"+
			"requester: option 2 of 3 is nil\n"+
			"requester: WithHTTPClient(nil): the client must not be nil; leave the option out for the default\n"+
			`requester: unknown environment "x": use "production" or "sandbox"`)
	})
}

func TestClient_Requester_request(t *testing.T) {
	const own = "tolokacheck/devel (+github.com/tolokacheck/tolokacheck)"
	tests := []struct {
		name, token           string
		opts                  []requester.Option
		authorization, agents string
		actUnder              []string
	}{
		{"default", apiKey, nil, "ApiKey " + apiKey, own, nil},
		{"token that states its scheme", "oauth " + apiKey, nil, "OAuth " + apiKey, own, nil},
		{"another default scheme", apiKey,
			[]requester.Option{requester.WithScheme(credentials.SchemeOAuth)}, "OAuth " + apiKey, own, nil},
		{"stated scheme and another default", "ApiKey " + apiKey,
			[]requester.Option{requester.WithScheme(credentials.SchemeOAuth)}, "ApiKey " +
				apiKey, own, nil},
		{"another account", apiKey, []requester.Option{requester.WithActUnderAccount("b1")},
			"ApiKey " + apiKey, own, []string{"b1"}},
		{"product of the service", apiKey,
			[]requester.Option{requester.WithUserAgent(" billing/1.4 (team@example.com) ")}, "ApiKey " +
				apiKey, "billing/1.4 (team@example.com) " + own, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got *http.Request
			server := answering(t, func(w http.ResponseWriter, r *http.Request) {
				got = r
				_, _ = w.Write([]byte(jackSmith))
			})
			client := mustClient(t, append(tt.opts, requester.WithBaseURL(server.URL))...)
			account, err := client.Requester(t.Context(), mustToken(t, tt.token))
			require.NoError(t, err)
			assert.Equal(t, "Jack Smith", account.Name())

			assert.Equal(t, "GET", got.Method)
			assert.Equal(t, "/api/v1/requester", got.RequestURI)
			assert.Equal(t, server.URL[len("http://"):], got.Host)
			want := http.Header{
				"Authorization":   {tt.authorization},
				"Accept":          {"application/json"},
				"Accept-Encoding": {"identity"},
				"User-Agent":      {tt.agents},
				"Connection":      {"close"},
			}
			if tt.actUnder != nil {
				want["X-Act-Under-Account-Id"] = tt.actUnder
			}
			assert.Equal(t, want, got.Header)
		})
	}
}

func TestClient_Authorize(t *testing.T) {
	client := mustClient(t, requester.WithActUnderAccount("b1"))
	t.Run("existing header", func(t *testing.T) {
		h := http.Header{"Authorization": {"x", "y"}}
		client.Authorize(h, mustToken(t, apiKey))
		assert.Equal(t,
			http.Header{"Authorization": {"ApiKey " + apiKey}, "X-Act-Under-Account-Id": {"b1"}}, h)
	})
	t.Run("zero token", func(t *testing.T) {
		h := http.Header{}
		client.Authorize(h, credentials.Token{})
		assert.Empty(t, h)
	})
}

func TestClient_Requester_concurrently(t *testing.T) {
	platform := requestertest.NewServer()
	defer platform.Close()
	client := mustClient(t, requester.WithBaseURL(platform.URL))
	good, bad := platform.IssueToken(""), mustToken(t, apiKey)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			account, err := client.Requester(t.Context(), good)
			if assert.NoError(t, err) {
				assert.Equal(t, "Jack Smith", account.Name())
			}
		})
		wg.Go(func() {
			_, err := client.Requester(t.Context(), bad)
			assert.Equal(t, requester.Rejected, requester.ClassOf(err))
		})
	}
	wg.Wait()
	assert.Equal(t, 50, platform.CountToken(good))
	assert.Equal(t, 50, platform.CountToken(bad))
}

func TestClient_Requester_zeroToken(t *testing.T) {
	platform := requestertest.NewPlatform()
	client := mustClient(t, requester.WithHTTPClient(platform.Client()))
	account, err := client.Requester(t.Context(), credentials.Token{})
	assert.Nil(t, account)
	assert.EqualError(t, err, "requester: there is no token to verify")
	assert.Equal(t, requester.NotAsked, requester.ClassOf(err))
	assert.Zero(t, platform.Count())
}

func TestClient_zero(t *testing.T) {
	var client requester.Client
	account, err := client.Requester(t.Context(), mustToken(t, apiKey))
	assert.Nil(t, account)
	assert.EqualError(t, err, "requester: the Client is a zero value: create it with requester.New")
	assert.Equal(t, requester.Misdirected, requester.ClassOf(err), "Start fails at once")

	h := http.Header{}
	client.Authorize(h, mustToken(t, apiKey))
	assert.Empty(t, h)
	assert.False(t, client.Covers(&url.URL{}, ""))
	assert.Equal(t, "", client.BaseURL().String())
	assert.Equal(t, "", client.Environment())
	assert.Equal(t, requester.DefaultTimeout, client.Timeout())
}

func TestClient_Requester_redirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			elsewhere := requestertest.NewServer()
			defer elsewhere.Close()
			platform := requestertest.NewServer()
			defer platform.Close()
			platform.SetFaults(faults.Redirect(status, elsewhere.URL+"/api/v1/requester"))
			follow := &http.Client{Transport: http.DefaultTransport,
				CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
			for _, opts := range [][]requester.Option{nil, {requester.WithHTTPClient(follow)}} {
				client := mustClient(t, append(opts, requester.WithBaseURL(platform.URL))...)
				_, err := client.Requester(t.Context(), platform.IssueToken(""))
				assert.Equal(t, requester.Misdirected, requester.ClassOf(err))
			}
			assert.Equal(t, 2, platform.Count())
			assert.Zero(t, elsewhere.Count(), "the token must not go elsewhere")
		})
	}
}

func TestWithHTTPClient_isNotChanged(t *testing.T) {
	platform := requestertest.NewServer()
	defer platform.Close()
	var cookies []string
	platform.SetFaults(faults.Header("Set-Cookie", "session=2"),
		faults.Record(func(r *http.Request) { cookies = append(cookies, r.Header["Cookie"]...) }))
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	base, err := url.Parse(platform.URL)
	require.NoError(t, err)
	jar.SetCookies(base, []*http.Cookie{{Name: "session", Value: "1"}})
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "192.0.2.1:1"})}
	user := &http.Client{Jar: jar, Transport: transport, Timeout: time.Nanosecond}

	client := mustClient(t, requester.WithBaseURL(platform.URL), requester.WithHTTPClient(user))
	_, err = client.Requester(t.Context(), platform.IssueToken(""))
	require.NoError(t, err, "its timeout and its proxy are not used")
	assert.Empty(t, cookies)
	assert.Equal(t, []*http.Cookie{{Name: "session", Value: "1", Quoted: false}}, jar.Cookies(base))
	assert.Equal(t, time.Nanosecond, user.Timeout)
	assert.Same(t, transport, user.Transport)
	assert.NotNil(t, transport.Proxy)
	assert.Nil(t, transport.DialContext)
}

func TestWithTimeout(t *testing.T) {
	slow := map[string]requestertest.Fault{
		"before the headers":        requestertest.Hang(),
		"in the body of an account": faults.Drip(time.Second),
		"in the body of a refusal": faults.Join(faults.Drip(time.Second),
			requestertest.Status(401)),
		"answer one nanosecond late": requestertest.Delay(3*time.Second + 1),
	}
	for name, fault := range slow {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				platform := requestertest.NewPlatform()
				platform.SetFaults(fault)
				client := mustClient(t, requester.WithHTTPClient(platform.Client()),
					requester.WithTimeout(3*time.Second))
				begin := time.Now()
				_, err := client.Requester(t.Context(), platform.IssueToken(""))
				assert.Equal(t, 3*time.Second, time.Since(begin))
				assert.EqualError(t, err, "requester: no answer from https://toloka.dev: not within 3s")
				assert.Equal(t, requester.Unavailable, requester.ClassOf(err))
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				assert.NotErrorIs(t, err, context.DeadlineExceeded, "that is the caller's")
			})
		})
	}
	t.Run("answer in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			platform := requestertest.NewPlatform()
			platform.SetFaults(requestertest.Delay(3*time.Second - 1))
			client := mustClient(t, requester.WithHTTPClient(platform.Client()),
				requester.WithTimeout(3*time.Second))
			_, err := client.Requester(t.Context(), platform.IssueToken(""))
			assert.NoError(t, err)
		})
	})
	t.Run("slow body of a 429", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			platform := requestertest.NewPlatform()
			platform.SetFaults(faults.Drip(time.Hour), requestertest.RateLimited("7"))
			client := mustClient(t, requester.WithHTTPClient(platform.Client()))
			_, err := client.Requester(t.Context(), platform.IssueToken(""))
			assert.EqualError(t, err,
				"requester: https://toloka.dev answered 429: too many requests: retry in 7s")
		})
	})
}

func TestClient_Requester_context(t *testing.T) {
	slow := map[string]requestertest.Fault{
		"before the headers":        requestertest.Hang(),
		"in the body of an account": faults.Drip(time.Hour),
		"in the body of a refusal": faults.Join(faults.Drip(time.Hour),
			requestertest.Status(401)),
		"in the body of an outage": faults.Join(faults.Drip(time.Hour),
			requestertest.Status(503)),
	}
	for name, fault := range slow {
		t.Run("cancelled/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				platform := requestertest.NewPlatform()
				platform.SetFaults(fault)
				client := mustClient(t, requester.WithHTTPClient(platform.Client()))
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				_, err := client.Requester(ctx, platform.IssueToken(""))
				assert.EqualError(t, err,
					"requester: no answer from https://toloka.dev: the caller cancelled the call: context canceled")
				assert.Equal(t, requester.Cancelled, requester.ClassOf(err))
				assert.ErrorIs(t, err, context.Canceled)
				assert.Equal(t, 1, platform.Count())
			})
		})
	}
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			platform := requestertest.NewPlatform()
			platform.SetFaults(requestertest.Hang())
			client := mustClient(t, requester.WithHTTPClient(platform.Client()))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := client.Requester(ctx, platform.IssueToken(""))
			assert.EqualError(t, err,
				"requester: no answer from https://toloka.dev: the caller cancelled the call: context deadline exceeded")
			assert.Equal(t, requester.Cancelled, requester.ClassOf(err))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
	t.Run("ended before the call", func(t *testing.T) {
		platform := requestertest.NewPlatform()
		client := mustClient(t, requester.WithHTTPClient(platform.Client()))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("the service stops"))
		_, err := client.Requester(ctx, platform.IssueToken(""))
		assert.EqualError(t, err,
			"requester: no answer from https://toloka.dev: the caller cancelled the call: context canceled")
		assert.Equal(t, requester.Cancelled, requester.ClassOf(err))
		assert.Zero(t, platform.Count())
	})
	t.Run("cancelled by the transport", func(t *testing.T) {
		client := mustClient(t, withTransport(func(*http.Request) (*http.Response, error) {
			return nil, context.Canceled
		}))
		_, err := client.Requester(t.Context(), mustToken(t, apiKey))
		assert.Equal(t, requester.Unavailable, requester.ClassOf(err))
	})
	t.Run("leaves no goroutine", func(t *testing.T) {
		platform := requestertest.NewPlatform()
		client := mustClient(t, requester.WithHTTPClient(platform.Client()))
		ctx := &countingContext{Context: t.Context(), done: make(chan struct{})}
		_, err := client.Requester(ctx, platform.IssueToken(""))
		require.NoError(t, err)
		// goleak in TestMain finds a goroutine that waits for such a context.
		assert.Positive(t, ctx.asked.Load())
	})
}

// countingContext is a context of another type than those of package context, which need no
// goroutine.
type countingContext struct {
	context.Context
	done  chan struct{}
	asked atomic.Int64
}

func (c *countingContext) Done() <-chan struct{} {
	c.asked.Add(1)
	return c.done
}

func TestClient_Requester_trace(t *testing.T) {
	platform := requestertest.NewServer()
	defer platform.Close()
	var seen []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:          func(string) { seen = append(seen, "connection") },
		WroteHeaderField: func(key string, values []string) { seen = append(seen, key) },
	})
	client := mustClient(t, requester.WithBaseURL(platform.URL))
	_, err := client.Requester(ctx, platform.IssueToken(""))
	require.NoError(t, err)
	assert.Empty(t, seen)

	t.Run("values of the context", func(t *testing.T) {
		type key struct{}
		client := mustClient(t, withTransport(func(r *http.Request) (*http.Response, error) {
			assert.Nil(t, r.Context().Value(key{}))
			return platform.Platform.Client().Transport.RoundTrip(r)
		}))
		_, err := client.Requester(context.WithValue(t.Context(), key{}, 1), platform.IssueToken(""))
		require.NoError(t, err)
	})
}

func TestAPIError_RetryAfter(t *testing.T) {
	header := faults.Header
	tests := []struct {
		name  string
		fault requestertest.Fault
		want  time.Duration
	}{
		{"429 with seconds", requestertest.RateLimited("30"), 30 * time.Second},
		{"429 with a date", limitedUntil(90 * time.Second), 90 * time.Second},
		{"429 with a date in the past", limitedUntil(-time.Hour), 0},
		{"429 with a year", requestertest.RateLimited("31536000"), 365 * 24 * time.Hour},
		{"429 with an invalid value", requestertest.RateLimited("soon"), 0},
		{"429 with a minute's quota", quota("MIN"), time.Minute},
		{"429 with an hour's quota", quota("HOUR"), time.Hour},
		{"429 with a day's quota", quota("DAY"), 24 * time.Hour},
		{"429 with another quota", quota("WEEK"), 0},
		{"429 with a quota in lower case", quota("min"), 0},
		{"429 with a header and a quota", faults.Join(header("Retry-After", "5"), quota("DAY")),
			5 * time.Second},
		{"429 with zero seconds and a quota", faults.Join(header("Retry-After", "0"), quota("DAY")),
			0},
		{"429 with an invalid header and a quota",
			faults.Join(header("Retry-After", "-1"), quota("DAY")), 24 * time.Hour},
		{"429 with another payload",
			requestertest.Body(429, "application/json",
				`{"code":"X","request_id":"r","payload":["MIN"]}`), 0},
		{"429 with a quota and no code",
			requestertest.Body(429, "application/json", `{"payload":{"interval":"MIN"}}`), time.Minute},
		{"429 with a date and no Date",
			faults.Join(header("Date", ""), limitedUntil(90*time.Second)), 90 * time.Second},
		{"503 with seconds", faults.Join(header("Retry-After", "7"), requestertest.Status(503)),
			7 * time.Second},
		{"503 with a quota", requestertest.Body(503, "application/json", `{"payload":{"interval":"MIN"}}`),
			0},
		{"408 with seconds", faults.Join(header("Retry-After", "7"), requestertest.Status(408)),
			7 * time.Second},
		{"401 with seconds", faults.Join(header("Retry-After", "7"), requestertest.Status(401)), 0},
		{"404 with seconds", faults.Join(header("Retry-After", "7"), requestertest.Status(404)), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				platform := requestertest.NewPlatform()
				platform.SetFaults(tt.fault)
				client := mustClient(t, requester.WithHTTPClient(platform.Client()))
				_, err := client.Requester(t.Context(), mustToken(t, apiKey))
				var api *requester.APIError
				require.ErrorAs(t, err, &api)
				assert.Equal(t, tt.want, api.RetryAfter)
			})
		})
	}
}

func TestWithHTTPClient_brokenTransport(t *testing.T) {
	tests := []struct {
		name string
		f    roundTripper
		want string
	}{
		{"error", func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") },
			"requester: no answer from https://toloka.dev: no route"},
		{"error with a terminal sequence",
			func(*http.Request) (*http.Response, error) { return nil, errors.New("\x1b[31mno route\n") },
			"requester: no answer from https://toloka.dev: \ufffd[31mno route\ufffd"},
		{"no answer and no error", func(*http.Request) (*http.Response, error) { return nil, nil },
			"requester: no answer from https://toloka.dev: the transport returned neither an answer nor an error"},
		{"no body",
			func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil },
			"requester: https://toloka.dev answered 200: the body is empty: " + adviceMalformed},
		{"empty answer", func(*http.Request) (*http.Response, error) { return &http.Response{}, nil },
			"requester: https://toloka.dev answered 0: " + adviceMisdirected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := mustClient(t, withTransport(tt.f))
			_, err := client.Requester(t.Context(), mustToken(t, apiKey))
			assert.EqualError(t, err, tt.want)
		})
	}
	t.Run("body is closed", func(t *testing.T) {
		for _, status := range []int{101, 200, 204, 302, 401, 503} {
			closed := 0
			client := mustClient(t, withTransport(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status,
					Body: &closingBody{strings.NewReader(jackSmith), &closed}}, nil
			}))
			_, _ = client.Requester(t.Context(), mustToken(t, apiKey))
			assert.Equal(t, 1, closed, status)
		}
	})
	t.Run("error is the cause", func(t *testing.T) {
		cause := errors.New("no route")
		client := mustClient(t,
			withTransport(func(*http.Request) (*http.Response, error) { return nil, cause }))
		_, err := client.Requester(t.Context(), mustToken(t, apiKey))
		assert.ErrorIs(t, err, cause)
	})
}

type closingBody struct {
	io.Reader
	closed *int
}

func (b *closingBody) Close() error {
	*b.closed++
	return nil
}

func TestProduct(t *testing.T) {
	const path = "github.com/tolokacheck/tolokacheck"
	tests := []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"no build information", nil, "devel"},
		{"dependency",
			&debug.BuildInfo{Main: debug.Module{Path: "example.com/service", Version: "v9.9.9"},
				Deps: []*debug.Module{{Path: "x", Version: "v3.0.0"},
					{Path: path, Version: "v1.2.3"}}}, "1.2.3"},
		{"main module",
			&debug.BuildInfo{Main: debug.Module{Path: path,
				Version: "v1.2.3-0.20260101000000-abcdef"}}, "1.2.3-0.20260101000000-abcdef"},
		{"work tree", &debug.BuildInfo{Main: debug.Module{Path: path, Version: "(devel)"}}, "devel"},
		{"module is missing", &debug.BuildInfo{Main: debug.Module{Path: "example.com/service"}}, "devel"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, "tolokacheck/"+tt.want+" (+github.com/tolokacheck/tolokacheck)",
				requester.ProductOf(tt.info))
		})
	}
}
