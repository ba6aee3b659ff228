package requester_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/faults"
)

const (
	platforms401 = `{"request_id":"r-1","code":"AUTHENTICATION_ERROR","message":"no"}`
	platforms404 = `{"request_id":"r-1","code":"DOES_NOT_EXIST","message":"no"}`

	adviceRejected = "the token AQVN…#4764f139 is rejected: generate a new one on the account's " +
		"Integrations page, https://platform.toloka.ai/requester/profile/integration"
	adviceMalformed = "this is not an answer of the platform: check the base URL, " +
		"and any proxy or login page in between"
	adviceMisdirected = "the platform does not give this answer: check the base URL and any proxy in between"
	adviceNotFound    = "the platform's API is not at this address: " +
		"check the base URL and any proxy in between"
	adviceRedirect = "the platform does not redirect, and redirects are not followed: " +
		"check the base URL and any proxy in between"
	adviceProxyLogin = "a proxy requires authentication: check the base URL and any proxy in between, " +
		"and its user and password in HTTPS_PROXY"
	adviceForeign = "something in front of the platform refuses the request: " +
		"check the base URL and any proxy or firewall in between"
	adviceUnavailable = "the platform is not available: retry later"
	adviceSupport     = "the platform failed: if this persists, give the request_id to its support"

	firstID = " (request_id 00000000-0000-4000-8000-000000000001): "
)

const (
	rejected    = requester.Rejected
	rateLimited = requester.RateLimited
	unavailable = requester.Unavailable
	malformed   = requester.Malformed
	misdirected = requester.Misdirected
)

// answerTest is an answer over TCP, and what it means.
type answerTest struct {
	name  string
	fault requestertest.Fault
	class requester.Class
	want  string // the error after "requester: http://127.0.0.1:… answered "
}

func testAnswers(t *testing.T, tests []answerTest) {
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

// jsonAnswer answers with body as JSON.
func jsonAnswer(status int, body string) requestertest.Fault {
	return requestertest.Body(status, "application/json", body)
}

func TestClient_Requester_success(t *testing.T) {
	body := jsonAnswer
	testAnswers(t, []answerTest{
		{"200 with an account", nil, requester.Verified, ""},
		{"200 with an account and another content type", requestertest.Body(200, "text/html", jackSmith),
			requester.Verified, ""},
		{"200 with a BOM", body(200, "\ufeff"+jackSmith), requester.Verified, ""},
		{"200 of 64 KiB", body(200, `{"id":"a"}`+strings.Repeat(" ", 64<<10-10)), requester.Verified, ""},
		{"200 of 64 KiB plus one byte", body(200, `{"id":"a"}`+strings.Repeat(" ", 64<<10-9)), malformed,
			"200: the body is longer than 64 KiB: " + adviceMalformed},
		{"200 with a long account", oversized(), malformed,
			"200: the body is longer than 64 KiB: " + adviceMalformed},
		{"200 with HTML", requestertest.HTML(200), malformed,
			"200: the body is HTML, not JSON: " + adviceMalformed},
		{"200 without a body", empty(200), malformed, "200: the body is empty: " + adviceMalformed},
		{"200 with null", body(200, "null"), malformed,
			"200: the body is not a JSON object: " + adviceMalformed},
		{"200 with an array", body(200, "[]"), malformed,
			"200: the body is not a JSON object: " + adviceMalformed},
		{"200 with two ids", body(200, `{"id":"a","id":"b"}`), malformed,
			`200: the JSON object has more than one member "id": ` + adviceMalformed},
		{"200 with the platform's error object", body(200, platforms401), malformed,
			`200: the JSON object has no member "id": ` + adviceMalformed},
		{"200 cut short", faults.Truncated(), malformed,
			"200: the body is cut short: " + adviceMalformed},

		{"201 with an account", body(201, jackSmith), malformed, "201: " + adviceMalformed},
		{"202", empty(202), malformed, "202: " + adviceMalformed},
		{"203 with an account", body(203, jackSmith), malformed, "203: " + adviceMalformed},
		{"204", empty(204), malformed, "204: " + adviceMalformed},
		{"206 with an account", body(206, jackSmith), malformed, "206: " + adviceMalformed},

		{"300", empty(300), misdirected, "300: " + adviceRedirect},
		{"301", faults.Redirect(301, "https://elsewhere.example/"), misdirected,
			"301: " + adviceRedirect},
		{"302 to an invalid URL", faults.Redirect(302, "https://[::1/%zz"), misdirected,
			"302: " + adviceRedirect},
		{"302 without a location", empty(302), misdirected, "302: " + adviceRedirect},
		{"304", empty(304), misdirected, "304: " + adviceRedirect},
		{"307", faults.Redirect(307, "/api/v1/requester"), misdirected, "307: " + adviceRedirect},
		{"308", faults.Redirect(308, "/"), misdirected, "308: " + adviceRedirect},
	})
}

func TestClient_Requester_rejection(t *testing.T) {
	body, join := jsonAnswer, faults.Join
	testAnswers(t, []answerTest{
		{"401 of the platform", requestertest.Status(401), rejected,
			"401 AUTHENTICATION_ERROR" + firstID + adviceRejected},
		{"401 of the platform with a BOM", body(401, "\ufeff"+platforms401), rejected,
			"401 AUTHENTICATION_ERROR (request_id r-1): " + adviceRejected},
		{"401 without a body", empty(401), rejected, "401: " + adviceRejected},
		{"401 with white space", body(401, " \r\n"), rejected, "401: " + adviceRejected},
		{"401 with a page", requestertest.HTML(401), misdirected, "401: " + adviceForeign},
		{"401 with other JSON", body(401, `{"error":"invalid_token"}`), misdirected,
			"401: " + adviceForeign},
		{"401 with a code only", body(401, `{"code":"AUTHENTICATION_ERROR"}`), misdirected,
			"401 AUTHENTICATION_ERROR: " + adviceForeign},
		{"401 with a request id only", body(401, `{"request_id":"r-1"}`), misdirected,
			"401 (request_id r-1): " + adviceForeign},
		{"401 with an empty code", body(401, `{"code":"","request_id":"r-1"}`), misdirected,
			"401 (request_id r-1): " + adviceForeign},
		{"401 with an empty request id", body(401, `{"code":"X","request_id":""}`), rejected,
			"401 X: " + adviceRejected},
		{"401 with a number as code", body(401, `{"code":401,"request_id":"r-1"}`), misdirected,
			"401 (request_id r-1): " + adviceForeign},
		{"401 with a number as request id", body(401, `{"code":"X","request_id":1}`), misdirected,
			"401 X: " + adviceForeign},
		{"401 with two codes", body(401, `{"code":"X","code":"X","request_id":"r-1"}`), misdirected,
			"401 X (request_id r-1): " + adviceForeign},
		{"401 with two request ids", body(401, `{"code":"X","request_id":"r-1","request_id":"r-1"}`),
			misdirected, "401 X (request_id r-1): " + adviceForeign},
		{"401 with CODE", body(401, `{"CODE":"X","request_id":"r-1"}`), misdirected,
			"401 (request_id r-1): " + adviceForeign},
		{"401 with an array of the object", body(401, "["+platforms401+"]"), misdirected,
			"401: " + adviceForeign},
		{"401 with half the object", body(401, platforms401[:40]), misdirected, "401: " + adviceForeign},
		{"401 with text after the object", body(401, platforms401+"x"), misdirected,
			"401: " + adviceForeign},
		{"401 with 64 KiB of white space plus one byte", body(401, strings.Repeat(" ", 64<<10+1)),
			misdirected, "401: " + adviceForeign},
		{"401 with the platform's object, too long", join(oversized(), requestertest.Status(401)),
			misdirected, "401: " + adviceForeign},
		{"401 with the platform's object and 64 KiB of white space",
			body(401, platforms401+strings.Repeat(" ", 64<<10)), misdirected, "401: " + adviceForeign},
		{"403 of the platform", requestertest.Status(403), rejected,
			"403 ACCESS_DENIED" + firstID + adviceRejected},
		{"403 without a body", empty(403), rejected, "403: " + adviceRejected},
		{"403 of a firewall", requestertest.HTML(403), misdirected, "403: " + adviceForeign},
		{"403 with text", requestertest.Body(403, "text/plain", "RBAC: access denied"), misdirected,
			"403: " + adviceForeign},
	})
}

func TestClient_Requester_failure(t *testing.T) {
	body, join := jsonAnswer, faults.Join
	testAnswers(t, []answerTest{
		{"400", requestertest.Status(400), misdirected,
			"400 VALIDATION_ERROR" + firstID + adviceMisdirected},
		{"404 of the platform", body(404, platforms404), misdirected,
			"404 DOES_NOT_EXIST (request_id r-1): " + adviceNotFound},
		{"404 with a page", requestertest.HTML(404), misdirected, "404: " + adviceNotFound},
		{"404 cut short", join(faults.Truncated(), requestertest.Status(404)), misdirected,
			"404: " + adviceNotFound},
		{"405", requestertest.Status(405), misdirected,
			"405 METHOD_NOT_ALLOWED" + firstID + adviceNotFound},
		{"407", requestertest.Status(407), misdirected, "407: " + adviceProxyLogin},
		{"408", requestertest.Status(408), unavailable, "408: " + adviceUnavailable},
		{"409", requestertest.Status(409), misdirected, "409 CONFLICT_STATE" + firstID + adviceMisdirected},
		{"418", requestertest.Status(418), misdirected, "418: " + adviceMisdirected},
		{"429 without a hint", requestertest.RateLimited(""), rateLimited,
			"429 TOO_MANY_REQUESTS" + firstID + "too many requests: retry later"},
		{"429 with a hint", requestertest.RateLimited("90"), rateLimited,
			"429 TOO_MANY_REQUESTS" + firstID + "too many requests: retry in 1m30s"},
		{"429 with a page", requestertest.HTML(429), rateLimited, "429: too many requests: retry later"},
		{"429 cut short", join(faults.Truncated(), requestertest.RateLimited("")), rateLimited,
			"429: too many requests: retry later"},
		{"451", requestertest.Status(451), misdirected, "451: " + adviceMisdirected},
		{"499", requestertest.Status(499), misdirected, "499: " + adviceMisdirected},

		{"500 of the platform", requestertest.Status(500), unavailable,
			"500 INTERNAL_ERROR" + firstID + adviceSupport},
		{"500 without a body", empty(500), unavailable, "500: " + adviceUnavailable},
		{"501", requestertest.Status(501), unavailable, "501: " + adviceUnavailable},
		{"502 with a page", requestertest.HTML(502), unavailable, "502: " + adviceUnavailable},
		{"503 of the platform", requestertest.Status(503), unavailable,
			"503 REMOTE_SERVICE_UNAVAILABLE" + firstID + adviceUnavailable},
		{"503 cut short", join(faults.Truncated(), requestertest.Status(503)), unavailable,
			"503: " + adviceUnavailable},
		{"503 too long", join(oversized(), requestertest.Status(503)), unavailable,
			"503: " + adviceUnavailable},
		{"503 reset in the body", join(faults.ResetMidBody(), requestertest.Status(503)),
			unavailable, "503: " + adviceUnavailable},
		{"504", requestertest.Status(504), unavailable, "504: " + adviceUnavailable},
		{"599", requestertest.Status(599), unavailable, "599: " + adviceUnavailable},
		{"600", requestertest.Status(600), misdirected, "600: " + adviceMisdirected},
		{"999", requestertest.Status(999), misdirected, "999: " + adviceMisdirected},
		{"101", requestertest.Raw("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
			misdirected,
			"101: " + adviceMisdirected},
	})
}

func TestClient_Requester_noAnswer(t *testing.T) {
	const (
		isReset  = "the connection was reset"
		isClosed = "the connection was closed before the answer was complete"
	)
	join := faults.Join
	tests := []struct {
		name  string
		fault requestertest.Fault
		want  string // the error's end
	}{
		{"reset before the answer", requestertest.Reset(), isReset},
		{"reset in the body of a 200", faults.ResetMidBody(), isReset},
		{"reset in the body of a 401", join(faults.ResetMidBody(), requestertest.Status(401)),
			isReset},
		{"401 cut short", join(faults.Truncated(), requestertest.Status(401)), isClosed},
		{"connection closed before the answer", requestertest.Raw(""), isClosed},
		{"connection closed in the headers", requestertest.Raw("HTTP/1.1 200 OK\r\nContent-Type: text/ht"),
			isClosed},
		{"no answer", requestertest.Hang(), "not within 100ms"},
		{"slow body of a 200", faults.Drip(time.Hour), "not within 100ms"},
		{"slow body of a 401", join(faults.Drip(time.Hour), requestertest.Status(401)),
			"not within 100ms"},
		{"headers of 70 KiB", faults.Header("X-Padding", strings.Repeat("x", 70<<10)),
			"net/http: HTTP/1.x transport connection broken: " +
				"net/http: server response headers exceeded 65536 bytes; aborted"},
		{"not HTTP", requestertest.Raw("SSH-2.0-OpenSSH_9.9\r\n"),
			`net/http: HTTP/1.x transport connection broken: malformed HTTP response "…"`},
		{"invalid header", requestertest.Raw("HTTP/1.1 200 OK\r\nno header\r\n\r\n"),
			"what it sent is not HTTP, or was cut off"},
		{"invalid Content-Length", requestertest.Raw("HTTP/1.1 200 OK\r\nContent-Length: a b\r\n\r\n"),
			`net/http: HTTP/1.x transport connection broken: bad Content-Length "…"`},
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
			// A reset during a read names the address of the connection.
			text := strings.ReplaceAll(err.Error(), " ("+strings.TrimPrefix(platform.URL, "http://")+")",
				"")
			assert.Equal(t, "requester: no answer from "+platform.URL+": "+tt.want, text)
			assert.Equal(t, 1, platform.Count())
		})
	}
}

func TestAPIError(t *testing.T) {
	t.Run("fields", func(t *testing.T) {
		platform := requestertest.NewPlatform()
		client := mustClient(t, requester.WithHTTPClient(platform.Client()))
		_, err := client.Requester(t.Context(), mustToken(t, apiKey))
		var api *requester.APIError
		require.ErrorAs(t, err, &api)
		assert.Equal(t, 401, api.StatusCode)
		assert.Equal(t, "AUTHENTICATION_ERROR", api.Code)
		assert.Equal(t, "00000000-0000-4000-8000-000000000001", api.RequestID)
		assert.NotContains(t, err.Error(), "Authentication failed",
			"the platform's message may repeat the token")
	})
	t.Run("literal with a status", func(t *testing.T) {
		for status, want := range map[int]requester.Class{
			200: malformed, 401: rejected, 403: rejected, 404: misdirected,
			408: unavailable, 429: rateLimited, 500: unavailable, 0: misdirected,
		} {
			assert.Equal(t, want, (&requester.APIError{StatusCode: status}).Class(), status)
		}
		err := &requester.APIError{StatusCode: 401, Code: "X"}
		assert.EqualError(t, err,
			"requester: the platform answered 401 X: the token is rejected: generate a new one "+
				"on the account's Integrations page, "+
				"https://platform.toloka.ai/requester/profile/integration")
	})
	t.Run("empty TransportError", func(t *testing.T) {
		err := &requester.TransportError{}
		assert.Equal(t, requester.Unavailable, err.Class())
		assert.EqualError(t, err, "requester: no answer from the platform: it cannot be reached")
		assert.NoError(t, err.Unwrap())
	})
}

func TestAPIError_rejectionAdvice(t *testing.T) {
	const (
		rejected = " is rejected: generate a new one on the account's Integrations page, " +
			"https://platform.toloka.ai/requester/profile/integration"
		notSandbox = "; a token of the sandbox does not work in production"
		notProd    = "; a token of production does not work in the sandbox"
		tryOAuth   = `; if it is a legacy OAuth token, write "OAuth " before it`
		tryAPIKey  = `; it looks like an API key but was sent as OAuth: ` +
			`if it is one, write "ApiKey " before it`
		key   = "the token AQVN…#4764f139"
		other = "the token AQVN…#f747da04"
	)
	unknown := apiKey[:10] + "_not_the_shape_of_a_key"
	asOAuth := requester.WithScheme(credentials.SchemeOAuth)
	actUnder := requester.WithActUnderAccount("b")
	tests := []struct {
		name, env, token string
		status           int
		opt              requester.Option
		want             string
	}{
		{"production", "", apiKey, 401, nil, key + rejected + notSandbox},
		{"sandbox", "sandbox", apiKey, 401, nil, key + rejected + notProd},
		{"base URL", "", apiKey, 401, requester.WithBaseURL("https://toloka.example"), key + rejected},
		{"unknown shape", "", unknown, 401, nil, other + rejected + notSandbox + tryOAuth},
		{"unknown shape that states OAuth", "", "OAuth " + unknown, 401, nil,
			other + rejected + notSandbox},
		{"unknown shape that states ApiKey", "", "ApiKey " + unknown, 401, nil,
			other + rejected + notSandbox},
		{"unknown shape with OAuth by default", "", unknown, 401, asOAuth, other + rejected + notSandbox},
		{"key sent as OAuth", "", "OAuth " + apiKey, 401, nil, key + rejected + notSandbox + tryAPIKey},
		{"key with OAuth by default", "", apiKey, 401, asOAuth, key + rejected + notSandbox + tryAPIKey},
		{"403", "", apiKey, 403, nil, key + rejected + notSandbox},
		{"another account and 401", "", apiKey, 401, actUnder, key + rejected + notSandbox},
		{"another account and 403", "", apiKey, 403, actUnder,
			key + " may not act under the account b: " +
				"check that this account shares access with the token's owner"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			platform := requestertest.NewPlatform()
			platform.SetFaults(empty(tt.status))
			opts := []requester.Option{requester.WithHTTPClient(platform.Client())}
			if tt.opt != nil {
				opts = append(opts, tt.opt)
			}
			client, err := requester.New(requester.Environment(tt.env), opts...)
			require.NoError(t, err)
			_, err = client.Requester(t.Context(), mustToken(t, tt.token))
			assert.EqualError(t, err,
				fmt.Sprintf("requester: %s answered %d: %s", client.BaseURL(), tt.status, tt.want))
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// withTransport makes the client send its requests through f.
func withTransport(f roundTripper) requester.Option {
	return requester.WithHTTPClient(&http.Client{Transport: f})
}
