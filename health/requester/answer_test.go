package requester_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

const (
	platforms401 = `{"request_id":"r-1","code":"AUTHENTICATION_ERROR","message":"no"}`
	platforms404 = `{"request_id":"r-1","code":"DOES_NOT_EXIST","message":"no"}`

	adviceRejected    = "the token AQVN…#4764f139 is refused: generate a new one on the account's Integrations page, https://platform.toloka.ai/requester/profile/integration"
	adviceMalformed   = "this is not how the platform answers: check the base URL and any proxy on the way"
	adviceMisdirected = "the platform does not answer like this: check the base URL and any proxy on the way"
	adviceRedirect    = "the platform does not redirect, and redirects are not followed: check the base URL and any proxy on the way"
	adviceSomebody    = "something in front of the platform refuses, not the platform: check the base URL and any proxy or firewall on the way"
	adviceUnavailable = "the platform is out of order: ask again later"
	adviceSupport     = "the platform is out of order: if it stays so, give the request_id to its support"
)

// TestAnswers has every answer over real TCP.
func TestAnswers(t *testing.T) {
	body := func(status int, body string) requestertest.Fault {
		return requestertest.Body(status, "application/json", body)
	}
	header := requestertest.Header
	join := requestertest.Join
	tests := []struct {
		name  string
		fault requestertest.Fault
		class requester.Class
		want  string // the error behind "requester: http://127.0.0.1:… answered "
	}{
		{"200 with an account", nil, requester.Verified, ""},
		{"200 with an account and a content type of something else", requestertest.Body(200, "text/html", jackSmith), requester.Verified, ""},
		{"200 with a BOM", body(200, "\ufeff"+jackSmith), requester.Verified, ""},
		{"200 of exactly 64 KiB", body(200, `{"id":"a"}`+strings.Repeat(" ", 64<<10-10)), requester.Verified, ""},
		{"200 of 64 KiB and one byte", body(200, `{"id":"a"}`+strings.Repeat(" ", 64<<10-9)), requester.Malformed, "200: the body is longer than 64 KiB: " + adviceMalformed},
		{"200 with an account that is too long", requestertest.Oversized(), requester.Malformed, "200: the body is longer than 64 KiB: " + adviceMalformed},
		{"200 with HTML", requestertest.HTML(200), requester.Malformed, "200: the body is HTML, not JSON: " + adviceMalformed},
		{"200 without a body", requestertest.Empty(200), requester.Malformed, "200: the body is empty: " + adviceMalformed},
		{"200 with null", body(200, "null"), requester.Malformed, "200: the body is not a JSON object: " + adviceMalformed},
		{"200 with an array", body(200, "[]"), requester.Malformed, "200: the body is not a JSON object: " + adviceMalformed},
		{"200 with two ids", body(200, `{"id":"a","id":"b"}`), requester.Malformed, `200: the JSON object has more than one member "id": ` + adviceMalformed},
		{"200 with the platform's error object", body(200, platforms401), requester.Malformed, `200: the JSON object has no member "id": ` + adviceMalformed},
		{"200 cut short", requestertest.Truncated(), requester.Malformed, "200: the body is cut short: " + adviceMalformed},
		{"200 with gzip that nobody asked for", join(header("Content-Encoding", "gzip"), body(200, gzipped(10<<20))), requester.Malformed, "200: the body is not JSON: " + adviceMalformed},

		{"201 with an account", body(201, jackSmith), requester.Malformed, "201: " + adviceMalformed},
		{"202", requestertest.Empty(202), requester.Malformed, "202: " + adviceMalformed},
		{"203 with an account", body(203, jackSmith), requester.Malformed, "203: " + adviceMalformed},
		{"204", requestertest.Empty(204), requester.Malformed, "204: " + adviceMalformed},
		{"206 with an account", body(206, jackSmith), requester.Malformed, "206: " + adviceMalformed},

		{"300", requestertest.Empty(300), requester.Misdirected, "300: " + adviceRedirect},
		{"301", requestertest.Redirect(301, "https://elsewhere.example/"), requester.Misdirected, "301: " + adviceRedirect},
		{"302 to where nothing can go", requestertest.Redirect(302, "https://[::1/%zz"), requester.Misdirected, "302: " + adviceRedirect},
		{"302 without a location", requestertest.Empty(302), requester.Misdirected, "302: " + adviceRedirect},
		{"304", requestertest.Empty(304), requester.Misdirected, "304: " + adviceRedirect},
		{"307", requestertest.Redirect(307, "/api/v1/requester"), requester.Misdirected, "307: " + adviceRedirect},
		{"308", requestertest.Redirect(308, "/"), requester.Misdirected, "308: " + adviceRedirect},

		{"400", requestertest.Status(400), requester.Misdirected, "400 VALIDATION_ERROR (request_id 00000000-0000-4000-8000-000000000001): " + adviceMisdirected},

		{"401 of the platform", requestertest.Status(401), requester.Rejected, "401 AUTHENTICATION_ERROR (request_id 00000000-0000-4000-8000-000000000001): " + adviceRejected},
		{"401 of the platform with a BOM", body(401, "\ufeff"+platforms401), requester.Rejected, "401 AUTHENTICATION_ERROR (request_id r-1): " + adviceRejected},
		{"401 without a body", requestertest.Empty(401), requester.Rejected, "401: " + adviceRejected},
		{"401 with white space", body(401, " \r\n"), requester.Rejected, "401: " + adviceRejected},
		{"401 with a page", requestertest.HTML(401), requester.Misdirected, "401: " + adviceSomebody},
		{"401 with somebody else's JSON", body(401, `{"error":"invalid_token"}`), requester.Misdirected, "401: " + adviceSomebody},
		{"401 with a code alone", body(401, `{"code":"AUTHENTICATION_ERROR"}`), requester.Misdirected, "401 AUTHENTICATION_ERROR: " + adviceSomebody},
		{"401 with a request id alone", body(401, `{"request_id":"r-1"}`), requester.Misdirected, "401 (request_id r-1): " + adviceSomebody},
		{"401 with an empty code", body(401, `{"code":"","request_id":"r-1"}`), requester.Misdirected, "401 (request_id r-1): " + adviceSomebody},
		{"401 with an empty request id", body(401, `{"code":"X","request_id":""}`), requester.Rejected, "401 X: " + adviceRejected},
		{"401 with a number for a code", body(401, `{"code":401,"request_id":"r-1"}`), requester.Misdirected, "401 (request_id r-1): " + adviceSomebody},
		{"401 with a number for a request id", body(401, `{"code":"X","request_id":1}`), requester.Misdirected, "401 X: " + adviceSomebody},
		{"401 with two codes", body(401, `{"code":"X","code":"X","request_id":"r-1"}`), requester.Misdirected, "401 X (request_id r-1): " + adviceSomebody},
		{"401 with two request ids", body(401, `{"code":"X","request_id":"r-1","request_id":"r-1"}`), requester.Misdirected, "401 X (request_id r-1): " + adviceSomebody},
		{"401 with CODE", body(401, `{"CODE":"X","request_id":"r-1"}`), requester.Misdirected, "401 (request_id r-1): " + adviceSomebody},
		{"401 with an array of the object", body(401, "["+platforms401+"]"), requester.Misdirected, "401: " + adviceSomebody},
		{"401 with half the object", body(401, platforms401[:40]), requester.Misdirected, "401: " + adviceSomebody},
		{"401 with something after the object", body(401, platforms401+"x"), requester.Misdirected, "401: " + adviceSomebody},
		{"401 with 64 KiB of white space and one more", body(401, strings.Repeat(" ", 64<<10+1)), requester.Misdirected, "401: " + adviceSomebody},
		{"401 with the platform's object, too long", join(requestertest.Oversized(), requestertest.Status(401)), requester.Misdirected, "401: " + adviceSomebody},
		{"401 with the platform's object and white space beyond measure", body(401, platforms401+strings.Repeat(" ", 64<<10)), requester.Misdirected, "401: " + adviceSomebody},
		{"403 of the platform", requestertest.Status(403), requester.Rejected, "403 ACCESS_DENIED (request_id 00000000-0000-4000-8000-000000000001): " + adviceRejected},
		{"403 without a body", requestertest.Empty(403), requester.Rejected, "403: " + adviceRejected},
		{"403 of a firewall", requestertest.HTML(403), requester.Misdirected, "403: " + adviceSomebody},
		{"403 with words", requestertest.Body(403, "text/plain", "RBAC: access denied"), requester.Misdirected, "403: " + adviceSomebody},

		{"404 of the platform", body(404, platforms404), requester.Misdirected, "404 DOES_NOT_EXIST (request_id r-1): " + adviceMisdirected},
		{"404 with a page", requestertest.HTML(404), requester.Misdirected, "404: " + adviceMisdirected},
		{"404 cut short", join(requestertest.Truncated(), requestertest.Status(404)), requester.Misdirected, "404: " + adviceMisdirected},
		{"405", requestertest.Status(405), requester.Misdirected, "405 METHOD_NOT_ALLOWED (request_id 00000000-0000-4000-8000-000000000001): " + adviceMisdirected},
		{"407", requestertest.Status(407), requester.Misdirected, "407: " + adviceMisdirected},
		{"408", requestertest.Status(408), requester.Unavailable, "408: " + adviceUnavailable},
		{"409", requestertest.Status(409), requester.Misdirected, "409 CONFLICT_STATE (request_id 00000000-0000-4000-8000-000000000001): " + adviceMisdirected},
		{"418", requestertest.Status(418), requester.Misdirected, "418: " + adviceMisdirected},
		{"429 without a hint", requestertest.RateLimited(), requester.RateLimited, "429 TOO_MANY_REQUESTS (request_id 00000000-0000-4000-8000-000000000001): too many requests: ask again later"},
		{"429 with a hint", requestertest.RateLimited(requestertest.AfterSeconds(90)), requester.RateLimited, "429 TOO_MANY_REQUESTS (request_id 00000000-0000-4000-8000-000000000001): too many requests: ask again in 1m30s"},
		{"429 with a page", requestertest.HTML(429), requester.RateLimited, "429: too many requests: ask again later"},
		{"429 cut short", join(requestertest.Truncated(), requestertest.RateLimited()), requester.RateLimited, "429: too many requests: ask again later"},
		{"451", requestertest.Status(451), requester.Misdirected, "451: " + adviceMisdirected},
		{"499", requestertest.Status(499), requester.Misdirected, "499: " + adviceMisdirected},

		{"500 of the platform", requestertest.Status(500), requester.Unavailable, "500 INTERNAL_ERROR (request_id 00000000-0000-4000-8000-000000000001): " + adviceSupport},
		{"500 without a body", requestertest.Empty(500), requester.Unavailable, "500: " + adviceUnavailable},
		{"501", requestertest.Status(501), requester.Unavailable, "501: " + adviceUnavailable},
		{"502 with a page", requestertest.HTML(502), requester.Unavailable, "502: " + adviceUnavailable},
		{"503 of the platform", requestertest.Status(503), requester.Unavailable, "503 REMOTE_SERVICE_UNAVAILABLE (request_id 00000000-0000-4000-8000-000000000001): " + adviceUnavailable},
		{"503 cut short", join(requestertest.Truncated(), requestertest.Status(503)), requester.Unavailable, "503: " + adviceUnavailable},
		{"503 too long", join(requestertest.Oversized(), requestertest.Status(503)), requester.Unavailable, "503: " + adviceUnavailable},
		{"503 reset in the middle", join(requestertest.ResetMidBody(), requestertest.Status(503)), requester.Unavailable, "503: " + adviceUnavailable},
		{"504", requestertest.Status(504), requester.Unavailable, "504: " + adviceUnavailable},
		{"599", requestertest.Status(599), requester.Unavailable, "599: " + adviceUnavailable},
		{"600", requestertest.Status(600), requester.Misdirected, "600: " + adviceMisdirected},
		{"999", requestertest.Status(999), requester.Misdirected, "999: " + adviceMisdirected},
		{"101", requestertest.Raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), requester.Misdirected, "101: " + adviceMisdirected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			platform := requestertest.NewServer()
			defer platform.Close()
			token := mustToken(t, apiKey)
			platform.AcceptToken("", token)
			platform.SetFaults(tt.fault)
			client := mustClient(t, requester.WithBaseURL(platform.URL))

			account, err := client.Requester(t.Context(), token)
			assert.Equal(t, tt.class, requester.ClassOf(err))
			assert.Equal(t, 1, platform.Count())
			if tt.class == requester.Verified {
				require.NoError(t, err)
				assert.NotEmpty(t, account.ID())
				return
			}
			assert.Nil(t, account)
			var api *requester.APIError
			require.ErrorAs(t, err, &api)
			assert.EqualError(t, err, "requester: "+platform.URL+" answered "+tt.want)
		})
	}
}

// TestNoAnswer has what keeps an answer from coming, over real TCP.
func TestNoAnswer(t *testing.T) {
	const (
		isReset  = "the connection was reset"
		isClosed = "the connection was closed before the answer was complete"
	)
	join := requestertest.Join
	tests := []struct {
		name  string
		fault requestertest.Fault
		want  string // the error's end
	}{
		{"a reset before the answer", requestertest.Reset(), isReset},
		{"a reset in the middle of a 200", requestertest.ResetMidBody(), isReset},
		{"a reset in the middle of a 401", join(requestertest.ResetMidBody(), requestertest.Status(401)), isReset},
		{"a 401 that is cut short", join(requestertest.Truncated(), requestertest.Status(401)), isClosed},
		{"a connection that is closed at once", requestertest.Raw(""), isClosed},
		{"a connection that is closed in the headers", requestertest.Raw("HTTP/1.1 200 OK\r\nContent-Type: text/ht"), isClosed},
		{"a server that hangs", requestertest.Hang(), "not within 100ms"},
		{"a 200 that drips", requestertest.Drip(time.Hour), "not within 100ms"},
		{"a 401 that drips", join(requestertest.Drip(time.Hour), requestertest.Status(401)), "not within 100ms"},
		{"headers beyond measure", requestertest.Header("X-Padding", strings.Repeat("x", 70<<10)), "net/http: HTTP/1.x transport connection broken: net/http: server response headers exceeded 65536 bytes; aborted"},
		{"something that is not HTTP", requestertest.Raw("SSH-2.0-OpenSSH_9.9\r\n"), `net/http: HTTP/1.x transport connection broken: malformed HTTP response "…"`},
		{"a header that is none", requestertest.Raw("HTTP/1.1 200 OK\r\nno header\r\n\r\n"), "what it sent is not HTTP, or was cut off"},
		{"a length that is none", requestertest.Raw("HTTP/1.1 200 OK\r\nContent-Length: a b\r\n\r\n"), `net/http: HTTP/1.x transport connection broken: bad Content-Length "…"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			platform := requestertest.NewServer()
			defer platform.Close()
			token := platform.IssueToken("")
			platform.SetFaults(tt.fault)
			timeout := 10 * time.Second
			if strings.HasPrefix(tt.want, "not within") {
				timeout = 100 * time.Millisecond
			}
			client := mustClient(t, requester.WithBaseURL(platform.URL), requester.WithTimeout(timeout))

			account, err := client.Requester(t.Context(), token)
			assert.Nil(t, account)
			assert.Equal(t, requester.Unavailable, requester.ClassOf(err))
			var failure *requester.TransportError
			require.ErrorAs(t, err, &failure)
			// A reset names the address of the connection when it comes in the middle of a
			// read.
			text := strings.ReplaceAll(err.Error(), " ("+strings.TrimPrefix(platform.URL, "http://")+")", "")
			assert.Equal(t, "requester: no answer from "+platform.URL+": "+tt.want, text)
			assert.Equal(t, 1, platform.Count())
		})
	}
}

func TestAPIError(t *testing.T) {
	t.Run("it carries what support asks for, and the message apart", func(t *testing.T) {
		platform := requestertest.NewPlatform()
		client := mustClient(t, requester.WithHTTPClient(platform.Client()))
		_, err := client.Requester(t.Context(), mustToken(t, apiKey))
		var api *requester.APIError
		require.ErrorAs(t, err, &api)
		assert.Equal(t, 401, api.StatusCode)
		assert.Equal(t, "AUTHENTICATION_ERROR", api.Code)
		assert.Equal(t, "00000000-0000-4000-8000-000000000001", api.RequestID)
		assert.Equal(t, "Authentication failed", api.Message())
		assert.NotContains(t, err.Error(), api.Message())
	})
	t.Run("a literal with a status is enough for a fake", func(t *testing.T) {
		for status, want := range map[int]requester.Class{
			200: requester.Malformed, 401: requester.Rejected, 403: requester.Rejected, 404: requester.Misdirected,
			408: requester.Unavailable, 429: requester.RateLimited, 500: requester.Unavailable, 0: requester.Misdirected,
		} {
			assert.Equal(t, want, (&requester.APIError{StatusCode: status}).Class(), status)
		}
		err := &requester.APIError{StatusCode: 401, Code: "X"}
		assert.EqualError(t, err, "requester: the platform answered 401 X: the token is refused: generate a new one on the account's Integrations page, https://platform.toloka.ai/requester/profile/integration")
		assert.Equal(t, "", err.Message())
	})
	t.Run("so is an empty TransportError", func(t *testing.T) {
		err := &requester.TransportError{}
		assert.Equal(t, requester.Unavailable, err.Class())
		assert.EqualError(t, err, "requester: no answer from the platform: it cannot be reached")
		assert.NoError(t, err.Unwrap())
	})
}

func TestRejectionAdvice(t *testing.T) {
	const (
		refused = "requester: https://toloka.dev answered 401: the token "
		page    = " is refused: generate a new one on the account's Integrations page, https://platform.toloka.ai/requester/profile/integration"
	)
	oauth := apiKey[:10] + "_not_the_shape_of_a_key"
	tests := []struct {
		name, env, token string
		opts             []requester.Option
		want             string
	}{
		{"production", "", apiKey, nil,
			refused + "AQVN…#4764f139" + page + "; a token of the sandbox does not work in production"},
		{"sandbox", "sandbox", apiKey, nil,
			strings.Replace(refused, "toloka.dev", "sandbox.toloka.dev", 1) + "AQVN…#4764f139" + page + "; a token of production does not work in the sandbox"},
		{"a token that may be an OAuth token", "", oauth, nil,
			refused + "AQVN…#f747da04" + page + `; a token of the sandbox does not work in production; it does not look like an API key: if it is an OAuth token, write "OAuth " before it`},
		{"a token that may be no OAuth token", "", "OAuth " + apiKey, nil,
			refused + "AQVN…#4764f139" + page + `; a token of the sandbox does not work in production; it looks like an API key but was sent as OAuth: if it is one, write "ApiKey " before it`},
		{"another account to act under", "", apiKey, []requester.Option{requester.WithActUnderAccount("b")},
			refused + "AQVN…#4764f139" + page + "; a token of the sandbox does not work in production; check that the account b has shared access with the token's owner"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			platform := requestertest.NewPlatform()
			platform.SetFaults(requestertest.Empty(401))
			client, err := requester.New(requester.Environment(tt.env), append(tt.opts, requester.WithHTTPClient(platform.Client()))...)
			require.NoError(t, err)
			_, err = client.Requester(t.Context(), mustToken(t, tt.token))
			assert.EqualError(t, err, tt.want)
		})
	}
}

func TestGzipBomb(t *testing.T) {
	t.Run("a transport that unpacks is stopped at the same bound", func(t *testing.T) {
		bomb := gzipped(64 << 20)
		var read int
		server := answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, bomb)
		})
		transport := &http.Transport{DisableKeepAlives: true}
		counting := roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := transport.RoundTrip(r)
			if err == nil {
				resp.Body = &countingBody{resp.Body, &read}
			}
			return resp, err
		})
		client := mustClient(t, requester.WithBaseURL(server.URL), requester.WithHTTPClient(&http.Client{Transport: counting}))
		_, err := client.Requester(context.Background(), mustToken(t, apiKey))
		assert.EqualError(t, err, "requester: "+server.URL+" answered 200: the body is longer than 64 KiB: "+adviceMalformed)
		assert.LessOrEqual(t, read, 64<<10+1)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type countingBody struct {
	io.ReadCloser
	n *int
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	*b.n += n
	return n, err
}

// gzipped is a JSON string of n letters, packed.
func gzipped(n int) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	chunk := bytes.Repeat([]byte("x"), 1<<16)
	_, _ = io.WriteString(w, `"`)
	for range n / len(chunk) {
		_, _ = w.Write(chunk)
	}
	_, _ = io.WriteString(w, `"`)
	_ = w.Close()
	return b.String()
}
