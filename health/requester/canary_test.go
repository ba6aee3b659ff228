package requester_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// traces returns everything that v can be made to print.
func traces(v any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	if err, ok := v.(error); ok {
		for _, e := range chain(err) {
			fmt.Fprintf(&b, "%v\n%+v\n%#v\n", e, e, e)
		}
	}
	_ = json.NewEncoder(&b).Encode(v)
	_ = xml.NewEncoder(&b).Encode(v)
	_ = gob.NewEncoder(&b).Encode(v)
	slog.New(slog.NewJSONHandler(&b, nil)).Error("x", "v", v, "nested", struct{ V any }{v})
	slog.New(slog.NewTextHandler(&b, nil)).Error("x", "v", v, "nested", struct{ V any }{v})
	// What testify prints of values that differ goes through every unexported field.
	assert.Equal(recorder{&b}, v, nil)
	return b.String()
}

type recorder struct{ b *bytes.Buffer }

func (r recorder) Errorf(format string, args ...any) { fmt.Fprintf(r.b, format, args...) }

func chain(err error) []error {
	var all []error
	for ; err != nil; err = errors.Unwrap(err) {
		all = append(all, err)
	}
	return all
}

func TestTheTokenAppearsNowhere(t *testing.T) {
	// All the punctuation that a token may have: +, / and = change when a value is encoded.
	const awkward = `AQVN-canary+41/canary+/~.canary_tag.0123456789==`
	echo := requestertest.EchoToken
	faults := map[string]func(token string) requestertest.Fault{
		"200":                        func(string) requestertest.Fault { return echo(200) },
		"201":                        func(string) requestertest.Fault { return echo(201) },
		"302":                        func(string) requestertest.Fault { return echo(302) },
		"400":                        func(string) requestertest.Fault { return echo(400) },
		"401":                        func(string) requestertest.Fault { return echo(401) },
		"403":                        func(string) requestertest.Fault { return echo(403) },
		"404":                        func(string) requestertest.Fault { return echo(404) },
		"429":                        func(string) requestertest.Fault { return echo(429) },
		"500":                        func(string) requestertest.Fault { return echo(500) },
		"503":                        func(string) requestertest.Fault { return echo(503) },
		"a page":                     func(s string) requestertest.Fault { return requestertest.Body(401, "text/html", "<p>"+s) },
		"a 200 page":                 func(s string) requestertest.Fault { return requestertest.Body(200, "text/html", "<p>"+s) },
		"words":                      func(s string) requestertest.Fault { return requestertest.Body(200, "text/plain", s) },
		"an id":                      func(s string) requestertest.Fault { return jsonBody(200, map[string]any{"id": s}) },
		"an id with the token in it": func(s string) requestertest.Fault { return jsonBody(200, map[string]any{"id": "a" + s + "b"}) },
		"escaped forms": func(s string) requestertest.Fault {
			return jsonBody(200, map[string]any{"id": "a", "public_name": map[string]string{"EN": url.QueryEscape(s), "RU": url.PathEscape(s), "DE": strconv.Quote("token " + s)}})
		},
		"an array": func(s string) requestertest.Fault { return jsonBody(200, []string{s}) },
		"a code with the token in it": func(s string) requestertest.Fault {
			return jsonBody(401, map[string]any{"code": "E." + s, "request_id": "r"})
		},
		"the status line":      func(s string) requestertest.Fault { return requestertest.Raw("HTTP/1.1 401 " + s + "\r\n\r\n") },
		"a broken status line": func(s string) requestertest.Fault { return requestertest.Raw("NO " + s + "\r\n\r\n") },
		"a broken status":      func(s string) requestertest.Fault { return requestertest.Raw("HTTP/1.1 " + s + "\r\n\r\n") },
		"a broken header":      func(s string) requestertest.Fault { return requestertest.Raw("HTTP/1.1 200 OK\r\n" + s + "\r\n\r\n") },
		"a broken length": func(s string) requestertest.Fault {
			return requestertest.Raw("HTTP/1.1 200 OK\r\nContent-Length: " + s + "\r\n\r\n")
		},
		"a broken encoding": func(s string) requestertest.Fault {
			return requestertest.Raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + s + "\r\n\r\n")
		},
		"a broken chunk": func(s string) requestertest.Fault {
			return requestertest.Raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + s + "\r\n")
		},
		"a header": func(s string) requestertest.Fault {
			return requestertest.Join(requestertest.Header("Retry-After", s), requestertest.Status(503))
		},
		"a redirect to nowhere": func(s string) requestertest.Fault { return requestertest.Redirect(301, "http://[::1/"+s+"%zz") },
	}
	for _, value := range []string{apiKey, awkward} {
		token := mustToken(t, value)
		for name, fault := range faults {
			for _, where := range []string{"TCP", "memory"} {
				t.Run(name+" over "+where+" with "+token.Fingerprint(), func(t *testing.T) {
					platform := requestertest.NewServer()
					defer platform.Close()
					platform.AcceptToken("", token)
					platform.SetFaults(fault(value))
					opts := []requester.Option{requester.WithBaseURL(platform.URL)}
					if where == "memory" {
						opts = append(opts, requester.WithHTTPClient(platform.Platform.Client()))
					}
					client := mustClient(t, opts...)
					account, err := client.Requester(t.Context(), token)
					all := traces(client) + traces(err)
					var api *requester.APIError
					if errors.As(err, &api) {
						all += api.Message() + traces(*api)
					}
					if account != nil {
						all += traces(account) + account.String() + account.ID() + fmt.Sprint(account.Names()) + account.Name("EN")
						company, _ := account.Company()
						all += fmt.Sprint(company)
					}
					for _, form := range formsOf(value) {
						assert.NotContains(t, all, form)
					}
				})
			}
		}
	}
}

func formsOf(value string) []string {
	quoted := strconv.Quote(value)
	data, _ := json.Marshal(value)
	return []string{value, quoted[1 : len(quoted)-1], string(data[1 : len(data)-1]), url.QueryEscape(value), url.PathEscape(value), fmt.Sprintf("%x", value)}
}

func jsonBody(status int, v any) requestertest.Fault {
	data, _ := json.Marshal(v)
	return requestertest.Body(status, "application/json", string(data))
}

func TestEchoes(t *testing.T) {
	platform := requestertest.NewPlatform()
	token := platform.IssueToken("")
	client := mustClient(t, requester.WithHTTPClient(platform.Client()))
	t.Run("an account keeps what is its own", func(t *testing.T) {
		platform.SetFaults(requestertest.EchoToken(200))
		account, err := client.Requester(t.Context(), token)
		require.NoError(t, err)
		assert.Equal(t, requestertest.AccountID, account.ID())
		assert.Equal(t, map[string]string{"EN": "Jack [redacted]", "[redacted]": "[redacted]"}, account.Names())
		company, _ := account.Company()
		assert.Equal(t, requester.Company{ID: "[redacted]", SuperintendentID: "[redacted]"}, company)
	})
	t.Run("a refusal stays a refusal", func(t *testing.T) {
		platform.SetFaults(requestertest.EchoToken(401))
		_, err := client.Requester(t.Context(), token)
		var api *requester.APIError
		require.ErrorAs(t, err, &api)
		assert.Equal(t, requester.Rejected, api.Class())
		assert.Empty(t, api.Code)
		assert.Empty(t, api.RequestID)
		assert.Equal(t, "Invalid token [redacted]", api.Message())
	})
	t.Run("a cause that has the token in it is left out", func(t *testing.T) {
		cause := errors.New("cannot send ApiKey " + token.Reveal())
		client := mustClient(t, requester.WithHTTPClient(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, cause })}))
		_, err := client.Requester(t.Context(), token)
		assert.EqualError(t, err, "requester: no answer from https://toloka.dev: cannot send ApiKey [redacted]")
		assert.NotErrorIs(t, err, cause)
	})
	t.Run("a token of a few characters is not looked for in words", func(t *testing.T) {
		short := mustToken(t, "Jack123")
		platform.ClearFaults()
		platform.AcceptToken("", short)
		platform.SetAccount(requestertest.Account{PublicName: map[string]string{"EN": "Jack123 Smith"}})
		account, err := client.Requester(t.Context(), short)
		require.NoError(t, err)
		assert.Equal(t, "Jack123 Smith", account.Name())
	})
	t.Run("one of eight is", func(t *testing.T) {
		eight := mustToken(t, "Jack1234")
		platform.AcceptToken("", eight)
		platform.SetAccount(requestertest.Account{PublicName: map[string]string{"EN": "Jack1234 Smith"}})
		account, err := client.Requester(t.Context(), eight)
		require.NoError(t, err)
		assert.Equal(t, "[redacted] Smith", account.Name())
	})
}

func TestIdentifiers(t *testing.T) {
	tests := []struct{ name, s, want string }{
		{"the platform's codes", "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR"},
		{"a UUID", "8b0f1b6c-3c1e-4f3a-9d3e-0a1b2c3d4e5f", "8b0f1b6c-3c1e-4f3a-9d3e-0a1b2c3d4e5f"},
		{"dots and digits", "1.2.3", "1.2.3"},
		{"64 characters", "0123456789012345678901234567890123456789012345678901234567890123", "0123456789012345678901234567890123456789012345678901234567890123"},
		{"65 characters", "01234567890123456789012345678901234567890123456789012345678901234", ""},
		{"a blank", "NOT FOUND", ""},
		{"a line break", "X\nlevel=ERROR", ""},
		{"a letter outside ASCII", "FEHLER_Ä", ""},
		{"markup", "<b>", ""},
		{"the token", "token-123", ""},
		{"the token within", "X_token-123_Y", ""},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, requester.Identifier("token-123", tt.s))
		})
	}
}
