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
	"github.com/tolokacheck/tolokacheck/internal/faults"
)

// traces returns everything that can be printed of v.
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
	// testify prints every unexported field of values that differ.
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

func TestToken_isNotShown(t *testing.T) {
	// Servers escape these characters.
	const escaped = `AQVNcanary+/canary~canary+/0123456789==`
	echo := faults.EchoToken
	faults := map[string]func(token string) requestertest.Fault{
		"200": func(string) requestertest.Fault { return echo(200) },
		"201": func(string) requestertest.Fault { return echo(201) },
		"302": func(string) requestertest.Fault { return echo(302) },
		"400": func(string) requestertest.Fault { return echo(400) },
		"401": func(string) requestertest.Fault { return echo(401) },
		"403": func(string) requestertest.Fault { return echo(403) },
		"404": func(string) requestertest.Fault { return echo(404) },
		"429": func(string) requestertest.Fault { return echo(429) },
		"500": func(string) requestertest.Fault { return echo(500) },
		"503": func(string) requestertest.Fault { return echo(503) },
		"401 page": func(s string) requestertest.Fault {
			return requestertest.Body(401,
				"text/html", "<p>"+s)
		},
		"200 page": func(s string) requestertest.Fault {
			return requestertest.Body(200,
				"text/html", "<p>"+s)
		},
		"text": func(s string) requestertest.Fault {
			return requestertest.Body(200,
				"text/plain", s)
		},
		"id": func(s string) requestertest.Fault {
			return jsonBody(200,
				map[string]any{"id": s})
		},
		"part of an id": func(s string) requestertest.Fault {
			return jsonBody(200,
				map[string]any{"id": "a" + s + "b"})
		},
		"escaped forms": func(s string) requestertest.Fault {
			return jsonBody(200,
				map[string]any{"id": "a",
					"public_name": map[string]string{"EN": url.QueryEscape(s), "RU": url.PathEscape(s),
						"DE": strconv.Quote("token " + s)}})
		},
		"array": func(s string) requestertest.Fault { return jsonBody(200, []string{s}) },
		"part of a code": func(s string) requestertest.Fault {
			return jsonBody(401, map[string]any{"code": "E." + s, "request_id": "r"})
		},
		"status text": func(s string) requestertest.Fault {
			return requestertest.Raw("HTTP/1.1 401 " +
				s + "\r\n\r\n")
		},
		"invalid status line": func(s string) requestertest.Fault {
			return requestertest.Raw("NO " + s +
				"\r\n\r\n")
		},
		"invalid status": func(s string) requestertest.Fault {
			return requestertest.Raw("HTTP/1.1 " +
				s + "\r\n\r\n")
		},
		"invalid header": func(s string) requestertest.Fault {
			return requestertest.Raw("HTTP/1.1 200 OK\r\n" + s + "\r\n\r\n")
		},
		"invalid length": func(s string) requestertest.Fault {
			return requestertest.Raw("HTTP/1.1 200 OK\r\nContent-Length: " + s + "\r\n\r\n")
		},
		"invalid transfer encoding": func(s string) requestertest.Fault {
			return requestertest.Raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + s + "\r\n\r\n")
		},
		"invalid chunk": func(s string) requestertest.Fault {
			return requestertest.Raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + s + "\r\n")
		},
		"Retry-After": func(s string) requestertest.Fault {
			return faults.Join(faults.Header("Retry-After", s), requestertest.Status(503))
		},
		"content encoding": func(s string) requestertest.Fault {
			return faults.Join(faults.Header("Content-Encoding", s),
				requestertest.Status(401))
		},
		"invisible characters": func(s string) requestertest.Fault {
			return jsonBody(200,
				map[string]any{"id": "a",
					"public_name": map[string]string{"EN": s[:9] + "\u200b\u00ad" + s[9:]}})
		},
		"gzip": func(s string) requestertest.Fault {
			return faults.Join(faults.Header("Content-Encoding", "gzip"),
				requestertest.Body(401, "application/json",
					zipped(`{"request_id":"`+s+`","code":"`+s+`"}`)))
		},
		"gzip that is the token": func(s string) requestertest.Fault {
			return faults.Join(faults.Header("Content-Encoding", "gzip"),
				requestertest.Body(200, "", s))
		},
		"invalid redirect": func(s string) requestertest.Fault {
			return faults.Redirect(301,
				"http://[::1/"+s+"%zz")
		},
	}
	for _, value := range []string{apiKey, escaped} {
		token := mustToken(t, value)
		for name, fault := range faults {
			for _, where := range []string{"TCP", "memory"} {
				t.Run(name+"/"+where+"/"+token.Fingerprint(), func(t *testing.T) {
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
						all += traces(*api)
					}
					if account != nil {
						all += traces(account) + account.String() + account.ID() + account.Name("EN") +
							account.Name("RU") + account.Name("DE")
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
	return []string{value, quoted[1 : len(quoted)-1], string(data[1 : len(data)-1]), url.QueryEscape(value),
		url.PathEscape(value), fmt.Sprintf("%x", value)}
}

func jsonBody(status int, v any) requestertest.Fault {
	data, _ := json.Marshal(v)
	return requestertest.Body(status, "application/json", string(data))
}

func TestToken_echoed(t *testing.T) {
	platform := requestertest.NewPlatform()
	token := platform.IssueToken("")
	client := mustClient(t, requester.WithHTTPClient(platform.Client()))
	t.Run("200", func(t *testing.T) {
		platform.SetFaults(faults.EchoToken(200))
		account, err := client.Requester(t.Context(), token)
		require.NoError(t, err)
		assert.Equal(t, requestertest.DefaultAccount().ID, account.ID())
		assert.Equal(t, "Jack [redacted]", account.Name())
		_, ok := account.Company()
		assert.False(t, ok, "an id that repeats the token is not an id")
	})
	t.Run("401", func(t *testing.T) {
		platform.SetFaults(faults.EchoToken(401))
		_, err := client.Requester(t.Context(), token)
		var api *requester.APIError
		require.ErrorAs(t, err, &api)
		assert.Equal(t, requester.Rejected, api.Class())
		assert.Empty(t, api.Code)
		assert.Empty(t, api.RequestID)
	})
	t.Run("cause", func(t *testing.T) {
		cause := errors.New("cannot send ApiKey " + token.Reveal())
		client := mustClient(t,
			withTransport(func(*http.Request) (*http.Response, error) { return nil, cause }))
		_, err := client.Requester(t.Context(), token)
		assert.EqualError(t, err,
			"requester: no answer from https://toloka.dev: cannot send ApiKey [redacted]")
		assert.NotErrorIs(t, err, cause)
	})
	t.Run("token of 7 characters", func(t *testing.T) {
		short := mustToken(t, "Jack123")
		platform.ClearFaults()
		platform.AcceptToken("", short)
		platform.SetAccount(requestertest.Account{PublicName: map[string]string{"EN": "Jack123 Smith"}})
		account, err := client.Requester(t.Context(), short)
		require.NoError(t, err)
		assert.Equal(t, "Jack123 Smith", account.Name())
	})
	t.Run("token of 8 characters", func(t *testing.T) {
		eight := mustToken(t, "Jack1234")
		platform.AcceptToken("", eight)
		platform.SetAccount(requestertest.Account{PublicName: map[string]string{"EN": "Jack1234 Smith"}})
		account, err := client.Requester(t.Context(), eight)
		require.NoError(t, err)
		assert.Equal(t, "[redacted] Smith", account.Name())
	})
}
