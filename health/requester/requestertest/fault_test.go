package requestertest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/faults"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

const page503 = "<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head>" +
	"<body>This page is not from the platform.</body></html>\n"

func TestFaults_thatAnswer(t *testing.T) {
	const (
		token   = "ApiKey canary"
		limited = `{"request_id":"` + firstID +
			`","code":"TOO_MANY_REQUESTS","message":"Too many requests"}`
	)
	unavailable := errorJSON("REMOTE_SERVICE_UNAVAILABLE", "Remote service is unavailable")
	platformType := http.Header{"Content-Type": {"application/json;charset=UTF-8"}}
	join, header := faults.Join, faults.Header
	tests := []struct {
		name   string
		fault  requestertest.Fault
		status int
		header http.Header // must be there; a nil value must not
		body   string
	}{
		{"none", nil, 401, platformType, errorJSON("AUTHENTICATION_ERROR", "Authentication failed")},
		{"Status/400", requestertest.Status(400), 400, nil,
			errorJSON("VALIDATION_ERROR", "Validation failed")},
		{"Status/409", requestertest.Status(409), 409, nil, errorJSON("CONFLICT_STATE", "Conflict")},
		{"Status/500", requestertest.Status(500), 500, nil, errorJSON("INTERNAL_ERROR", "Internal error")},
		{"Status/503", requestertest.Status(503), 503, platformType, unavailable},
		{"Status/502", requestertest.Status(502), 502, http.Header{"Content-Length": {"0"}}, ""},
		{"Status/204", requestertest.Status(204), 204, nil, ""},
		{"Body", requestertest.Body(200, "text/plain", "OK"), 200,
			http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"2"}}, "OK"},
		{"Body/no content type", requestertest.Body(200, "", "OK"), 200,
			http.Header{"Content-Type": nil, "Content-Length": {"2"}}, "OK"},
		{"Body/empty", requestertest.Body(401, "", ""), 401, http.Header{"Content-Length": {"0"}}, ""},
		{"HTML", requestertest.HTML(503), 503, http.Header{"Content-Type": {"text/html; charset=utf-8"}},
			page503},
		{"Redirect", faults.Redirect(307, "https://elsewhere.example/"), 307,
			http.Header{"Location": {"https://elsewhere.example/"}}, ""},
		{"Header", join(header("x-test", "1"), empty(503)), 503, http.Header{"X-Test": {"1"}}, ""},
		{"Header/replaced", join(header("content-type", "x/y"), requestertest.Status(503)), 503,
			http.Header{"Content-Type": {"x/y"}}, unavailable},
		{"Header/removed", join(header("Date", ""), empty(503)), 503, http.Header{"Date": nil}, ""},
		{"RateLimited", requestertest.RateLimited(""), 429, http.Header{"Retry-After": nil}, limited},
		{"RateLimited/30", requestertest.RateLimited("30"), 429, http.Header{"Retry-After": {"30"}},
			limited},
		{"RateLimited/soon", requestertest.RateLimited("soon"), 429, http.Header{"Retry-After": {"soon"}},
			limited},
		{"EchoToken/403", faults.EchoToken(403), 403,
			http.Header{"Location": {"canary"}, "Set-Cookie": {"canary"}},
			`{"request_id":"canary","code":"canary","message":"Invalid token canary",` +
				`"payload":{"canary":"canary","interval":"canary"}}`},
		{"EchoToken/200", faults.EchoToken(200), 200, nil,
			`{"id":"566ec2b0ff0deeaae5f9d500629de162","public_name":{"EN":"Jack canary","canary":"canary"},` +
				`"company":{"id":"canary","superintendent_id":"canary"},"token":"canary"}`},
		{"Raw", requestertest.Raw("HTTP/1.1 299 Well\r\nContent-Length: 3\r\n\r\nabc"), 299,
			http.Header{"Date": nil}, "abc"},
		{"Delay", join(requestertest.Delay(time.Nanosecond), empty(418)), 418, nil, ""},
		{"Drip", join(faults.Drip(time.Nanosecond), requestertest.Body(200, "text/plain", "abc")),
			200,
			http.Header{"Content-Length": {"3"}, "Content-Type": {"text/plain"}}, "abc"},
	}
	for _, tt := range tests {
		for where, setUp := range places(t) {
			t.Run(tt.name+"/"+where, func(t *testing.T) {
				p, c, base := setUp()
				p.SetFaults(tt.fault)
				c.CheckRedirect = func(*http.Request,
					[]*http.Request) error {
					return http.ErrUseLastResponse
				}
				status, header, body := ask(t, c, "GET", base+"/api/v1/requester", token)
				assert.Equal(t, tt.status, status)
				assert.Equal(t, tt.body, body)
				for key, values := range tt.header {
					assert.Equal(t, values, header[key], key)
				}
			})
		}
	}
}

func TestFaults_thatBreak(t *testing.T) {
	join := faults.Join
	half := `{"request_id":"00000000-0000-4000-8000-000000000001","code`
	tests := []struct {
		name  string
		fault requestertest.Fault
		body  string // the part that arrives
		want  error
	}{
		{"Reset", requestertest.Reset(), "", syscall.ECONNRESET},
		{"ResetMidBody", faults.ResetMidBody(), half, syscall.ECONNRESET},
		{"Truncated", faults.Truncated(), half, io.ErrUnexpectedEOF},
		{"Truncated/another answer",
			join(faults.Truncated(),
				requestertest.Body(200, "text/plain", "abcd")), "ab", io.ErrUnexpectedEOF},
		{"Raw/empty", requestertest.Raw(""), "", io.EOF},
		{"Raw/cut short", requestertest.Raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), "abc",
			io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		for where, setUp := range places(t) {
			t.Run(tt.name+"/"+where, func(t *testing.T) {
				p, c, base := setUp()
				p.SetFaults(tt.fault)
				body, err := broken(t, c, base)
				assert.ErrorIs(t, err, tt.want)
				if where == "memory" || errors.Is(tt.want, io.ErrUnexpectedEOF) {
					assert.Equal(t, tt.body, body, "over TCP a reset can overtake the data before it")
				}
				p.ClearFaults()
				status, _, _ := ask(t, c, "GET", base+"/api/v1/requester", apiKey(p))
				assert.Equal(t, 200, status, "the platform is healthy again")
			})
		}
	}
	t.Run("Raw/not HTTP", func(t *testing.T) {
		for where, setUp := range places(t) {
			p, c, base := setUp()
			p.SetFaults(requestertest.Raw("SSH-2.0-x\r\n"))
			_, err := broken(t, c, base)
			assert.ErrorContains(t, err, "malformed HTTP response", where)
		}
	})
	t.Run("Reset/TLS", func(t *testing.T) {
		p := requestertest.NewPlatform()
		s := httptest.NewTLSServer(p)
		defer s.Close()
		p.SetFaults(requestertest.Reset())
		_, err := broken(t, s.Client(), s.URL)
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
	t.Run("Reset/HTTP2", func(t *testing.T) {
		p := requestertest.NewPlatform()
		s := httptest.NewUnstartedServer(p)
		s.EnableHTTP2 = true
		s.StartTLS()
		defer s.Close()
		p.SetFaults(requestertest.Reset())
		_, err := broken(t, s.Client(), s.URL)
		assert.Error(t, err)
	})
	t.Run("Hang/client disconnects", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := requestertest.NewPlatform()
			p.SetFaults(requestertest.Hang())
			c := p.Client()
			c.Timeout = time.Hour
			begin := time.Now()
			_, err := broken(t, c, "https://toloka.dev")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, time.Hour, time.Since(begin))
			synctest.Wait()
			assert.Zero(t, p.InFlight())
		})
	})
	t.Run("Delay and Drip/client disconnects", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := requestertest.NewPlatform()
			c := p.Client()
			c.Timeout = time.Second
			for _, f := range []requestertest.Fault{requestertest.Delay(time.Hour),
				faults.Drip(time.Hour)} {
				p.SetFaults(f)
				_, err := broken(t, c, "https://toloka.dev")
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				synctest.Wait()
				assert.Zero(t, p.InFlight())
			}
		})
	})
	t.Run("Drip/body is closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := requestertest.NewPlatform()
			p.SetFaults(faults.Drip(time.Hour))
			resp, err := p.Client().Get(endpoint)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			synctest.Wait()
			assert.Zero(t, p.InFlight())
		})
	})
	t.Run("Drip/one byte at a time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := requestertest.NewPlatform()
			p.SetFaults(faults.Drip(time.Second), requestertest.Body(200, "text/plain", "abc"))
			begin := time.Now()
			resp, err := p.Client().Get(endpoint)
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Equal(t, time.Duration(0), time.Since(begin))
			for i := range 3 {
				n, err := resp.Body.Read(make([]byte, 9))
				require.NoError(t, err)
				assert.Equal(t, 1, n)
				assert.Equal(t, time.Duration(i+1)*time.Second, time.Since(begin))
			}
		})
	})
	t.Run("Hang/server is closed", func(t *testing.T) {
		s := requestertest.NewServer()
		s.SetFaults(requestertest.Hang())
		done := make(chan error)
		go func() {
			_, err := broken(t, s.Client(), s.URL)
			done <- err
		}()
		require.NoError(t, s.WaitCount(t.Context(), 1))
		s.Close()
		assert.Error(t, <-done)
		s.Close()
		_, err := broken(t, s.Client(), s.URL)
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
}

// broken returns the part of the body that arrives, and the error.
func broken(t testing.TB, c *http.Client, base string) (string, error) {
	resp, err := c.Get(base + "/api/v1/requester")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestFaults_combined(t *testing.T) {
	statuses := func(t *testing.T, p *requestertest.Platform, authorization string, n int) []int {
		var got []int
		for range n {
			status, _, _ := ask(t, p.Client(), "GET", endpoint, authorization)
			got = append(got, status)
		}
		return got
	}
	t.Run("Sequence", func(t *testing.T) {
		p := requestertest.NewPlatform()
		p.SetFaults(requestertest.Sequence(requestertest.Status(503), requestertest.Status(503)))
		assert.Equal(t, []int{503, 503, 200}, statuses(t, p, apiKey(p), 3))
		p.SetFaults(requestertest.Sequence())
		assert.Equal(t, []int{200}, statuses(t, p, apiKey(p), 1))
	})
	t.Run("Sequence of others", func(t *testing.T) {
		p := requestertest.NewPlatform()
		p.SetFaults(requestertest.Sequence(requestertest.Status(503), nil,
			requestertest.Sequence(requestertest.Status(500)), requestertest.HTML(502)))
		assert.Equal(t, []int{503, 200, 500, 502, 200, 200}, statuses(t, p, apiKey(p), 6))
	})
	t.Run("counting starts from the beginning", func(t *testing.T) {
		p := requestertest.NewPlatform()
		fault := requestertest.Sequence(requestertest.Status(503))
		for range 2 {
			p.SetFaults(fault)
			assert.Equal(t, []int{503, 200}, statuses(t, p, apiKey(p), 2))
		}
	})
	t.Run("SetTokenFaults", func(t *testing.T) {
		p := requestertest.NewPlatform()
		one, other := p.IssueToken(""), p.IssueToken("")
		p.SetTokenFaults(one, requestertest.Status(500))
		assert.Equal(t, []int{500}, statuses(t, p, "ApiKey "+one.Reveal(), 1))
		assert.Equal(t, []int{200}, statuses(t, p, "ApiKey "+other.Reveal(), 1))
		p.SetFaults(requestertest.Sequence(requestertest.Status(503)))
		assert.Equal(t, []int{503, 500}, statuses(t, p, "ApiKey "+one.Reveal(), 2),
			"the faults of all tokens come first")
		p.SetTokenFaults(one)
		assert.Equal(t, []int{200}, statuses(t, p, "ApiKey "+one.Reveal(), 1))
		p.SetTokenFaults(one, requestertest.Status(500))
		p.ClearFaults()
		assert.Equal(t, []int{200}, statuses(t, p, "ApiKey "+one.Reveal(), 1))
	})
	t.Run("custom fault", func(t *testing.T) {
		p := requestertest.NewPlatform()
		p.SetFaults(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("User-Agent") == "" {
					_, _ = io.WriteString(w, "early")
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		_, header, body := ask(t, p.Client(), "GET", endpoint, "")
		assert.Equal(t, "early", body)
		assert.Empty(t, header["Content-Length"])
	})
	t.Run("fault without a platform", func(t *testing.T) {
		w := newRecorder()
		req, err := http.NewRequest("GET", endpoint, nil)
		require.NoError(t, err)
		requestertest.Status(503)(nil).ServeHTTP(w, req)
		assert.Equal(t, 503, w.Code)
	})
}

func TestClient(t *testing.T) {
	t.Run("context has ended", func(t *testing.T) {
		p := requestertest.NewPlatform()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, err := http.NewRequestWithContext(ctx, "POST", endpoint, strings.NewReader("x"))
		require.NoError(t, err)
		_, err = p.Client().Do(req)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, p.Count())
	})
	t.Run("request as a server has it", func(t *testing.T) {
		p := requestertest.NewPlatform()
		p.SetFaults(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "/a?b=c", r.RequestURI)
				assert.Equal(t, "toloka.dev", r.Host)
				assert.Equal(t, "HTTP/1.1", r.Proto)
				assert.NotEmpty(t, r.RemoteAddr)
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				w.WriteHeader(http.StatusEarlyHints)
				w.WriteHeader(http.StatusTeapot)
				w.WriteHeader(http.StatusOK)
				_, _ = w.Write(body)
			})
		})
		resp, err := p.Client().Post("https://toloka.dev/a?b=c", "text/plain", strings.NewReader("hello"))
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, "418 I'm a teapot", resp.Status)
		assert.Equal(t, "hello", string(body))
		assert.EqualValues(t, -1, resp.ContentLength)
	})
	t.Run("handler calls Goexit", func(t *testing.T) {
		p := requestertest.NewPlatform()
		p.SetFaults(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { (&testing.T{}).FailNow() })
		})
		_, err := broken(t, p.Client(), "https://toloka.dev")
		assert.ErrorIs(t, err, io.EOF)
	})
	t.Run("answer shorter than its Content-Length", func(t *testing.T) {
		p := requestertest.NewPlatform()
		p.SetFaults(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter,
				_ *http.Request) {
				w.Header().Set("Content-Length", "9")
			})
		})
		_, err := broken(t, p.Client(), "https://toloka.dev")
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}
