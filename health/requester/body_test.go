package requester_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// zipped is text as one gzip member.
func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

func TestClient_Requester_contentEncoding(t *testing.T) {
	const (
		cut     = ": the body is cut short: " + adviceMalformed
		notGzip = ": the body is not gzip, although its content encoding says so: " + adviceMalformed
		tooLong = ": the body is longer than 64 KiB: " + adviceMalformed
		brotli  = ": the body has the content encoding br, which was not asked for: " + adviceMalformed
		several = ": the body has several content encodings, which were not asked for: " + adviceMalformed
		unknown = ": the body has an unknown content encoding, which was not asked for: " +
			adviceMalformed
		ofRequest = " AUTHENTICATION_ERROR (request_id r-1): "
	)
	full := `{"id":"a"}` + strings.Repeat(" ", 64<<10-10)
	account := zipped(jackSmith)
	corrupt := []byte(account)
	corrupt[len(corrupt)-8] ^= 1 // the checksum
	verified, malformed := requester.Verified, requester.Malformed
	tests := []struct {
		name, encoding string
		status         int
		body           string
		class          requester.Class
		want           string // the error after "answered …"
	}{
		{"gzip", "gzip", 200, account, verified, ""},
		{"x-gzip", "x-gzip", 200, account, verified, ""},
		{"upper case", " GZip ", 200, account, verified, ""},
		{"identity", "identity", 200, jackSmith, verified, ""},
		{"identity and gzip", "identity, gzip,", 200, account, verified, ""},
		{"two members", "gzip", 200, zipped(jackSmith[:20]) + zipped(jackSmith[20:]), verified, ""},
		{"empty members", "gzip", 200, strings.Repeat(zipped(""), 100) + account, verified, ""},
		{"text after the last member", "gzip", 200, account + "garbage", verified, ""},
		{"zeros after the last member", "gzip", 200, account + "\x00\x00\x00", verified, ""},
		{"64 KiB", "gzip", 200, zipped(full), verified, ""},
		{"64 KiB plus one byte", "gzip", 200, zipped(full + " "), malformed, tooLong},
		{"bomb of 64 MiB", "gzip", 200, zipped(strings.Repeat("x", 64<<20)), malformed, tooLong},
		{"bomb of members", "gzip", 200, strings.Repeat(zipped(full), 100), malformed, tooLong},
		{"compressed body of 70 KiB", "gzip", 200, account + strings.Repeat("x", 70<<10), malformed,
			tooLong},
		{"cut short", "gzip", 200, account[:len(account)/2], malformed, cut},
		{"half a header", "gzip", 200, account[:5], malformed, cut},
		{"wrong checksum", "gzip", 200, string(corrupt), malformed, notGzip},
		{"not gzip", "gzip", 200, jackSmith, malformed, notGzip},
		{"gzip without the header", "", 200, account, malformed,
			": the body is not JSON: " + adviceMalformed},
		{"no body", "gzip", 200, "", malformed, ": the body is empty: " + adviceMalformed},
		{"brotli", "br", 200, "x", malformed, brotli},
		{"deflate", "deflate", 200, "x", malformed, strings.Replace(brotli, " br,", " deflate,", 1)},
		{"gzip twice", "gzip, gzip", 200, zipped(account), malformed, several},
		{"name that cannot be shown", "<b>\t" + apiKey, 200, "x", malformed, unknown},
		{"name that is the token", apiKey, 200, "x", malformed, unknown},

		{"rejection/gzip", "gzip", 401, zipped(platforms401), requester.Rejected,
			ofRequest + adviceRejected},
		{"rejection/no body", "gzip", 401, "", requester.Rejected, ": " + adviceRejected},
		{"rejection/page", "gzip", 403, zipped("<html>"), requester.Misdirected, ": " + adviceForeign},
		{"rejection/brotli", "br", 401, "x", malformed, brotli},
		{"rejection/not gzip", "gzip", 403, platforms401, malformed, notGzip},
		{"rejection/bomb", "gzip", 401, zipped(strings.Repeat(" ", 1<<20)), requester.Misdirected,
			": " + adviceForeign},
		{"outage/gzip", "gzip", 503, zipped(`{"request_id":"r-1","code":"X"}`), requester.Unavailable,
			" X (request_id r-1): " + adviceUnavailable},
		{"outage/brotli", "br", 503, "x", requester.Unavailable, ": " + adviceUnavailable},
		{"not found/brotli", "br", 404, "x", requester.Misdirected, ": " + adviceNotFound},
		{"rate limit/gzip", "gzip", 429, zipped(`{"payload":{"interval":"MIN"}}`), requester.RateLimited,
			": too many requests: retry in 1m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := answering(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.encoding != "" {
					w.Header().Set("Content-Encoding", tt.encoding)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			// A custom transport must not decode it first.
			custom := requester.WithHTTPClient(&http.Client{Transport: &http.Transport{}})
			for _, opts := range [][]requester.Option{nil, {custom}} {
				client := mustClient(t, append(opts, requester.WithBaseURL(server.URL))...)
				account, err := client.Requester(t.Context(), mustToken(t, apiKey))
				assert.Equal(t, tt.class, requester.ClassOf(err))
				if tt.class == verified {
					require.NoError(t, err)
					assert.NotEmpty(t, account.ID())
					continue
				}
				assert.EqualError(t, err,
					fmt.Sprintf("requester: %s answered %d%s", server.URL, tt.status, tt.want))
			}
		})
	}
}

// A custom transport that decodes by itself is stopped at the same bound.
func TestClient_Requester_decodingTransport(t *testing.T) {
	read := 0
	decoding := roundTripper(func(*http.Request) (*http.Response, error) {
		body := io.NopCloser(io.TeeReader(strings.NewReader(strings.Repeat("x", 1<<20)), counter{&read}))
		return &http.Response{StatusCode: 200, Uncompressed: true, Body: body}, nil
	})
	client := mustClient(t, withTransport(decoding))
	_, err := client.Requester(t.Context(), mustToken(t, apiKey))
	assert.EqualError(t, err,
		"requester: https://toloka.dev answered 200: the body is longer than 64 KiB: "+adviceMalformed)
	assert.LessOrEqual(t, read, 64<<10+1)
}

// counter counts the bytes that are written to it.
type counter struct{ n *int }

func (c counter) Write(p []byte) (int, error) {
	*c.n += len(p)
	return len(p), nil
}

func TestClient_Requester_sizeOfA401(t *testing.T) {
	const most = 64 << 10
	object := func(size int) string {
		begin, end := `{"request_id":"r","code":"AUTHENTICATION_ERROR","padding":"`, `"}`
		return begin + strings.Repeat("x", size-len(begin)-len(end)) + end
	}
	tests := []struct {
		name, body string
		want       requester.Class
	}{
		{"error object of 64 KiB", object(most), requester.Rejected},
		{"error object of 64 KiB plus one byte", object(most + 1), requester.Misdirected},
		{"64 KiB of white space", strings.Repeat(" ", most), requester.Rejected},
		{"64 KiB of white space plus one byte", strings.Repeat(" ", most+1), requester.Misdirected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := requestertest.NewPlatform()
			p.SetFaults(requestertest.Body(401, "application/json", tt.body))
			client := mustClient(t, requester.WithHTTPClient(p.Client()))
			_, err := client.Requester(t.Context(), mustToken(t, apiKey))
			assert.Equal(t, tt.want, requester.ClassOf(err))
		})
	}
}

// FuzzGunzip compares with compress/gzip, and checks the bound.
func FuzzGunzip(f *testing.F) {
	for _, seed := range []string{
		zipped(jackSmith), zipped("") + zipped("a"), zipped("a") + "x", zipped("a")[:12], "", "\x1f\x8b",
		zipped(strings.Repeat("x", 1<<20)),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, problem := requester.Gunzip(data)
		if len(text) > 64<<10 {
			t.Fatalf("%d bytes", len(text))
		}
		if problem != "" && len(text) > 0 {
			t.Fatalf("%q and a problem: %s", text, problem)
		}
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			if problem == "" {
				t.Fatalf("accepted in spite of %v", err)
			}
			return
		}
		want, err := io.ReadAll(io.LimitReader(r, 64<<10+1))
		if err == nil && len(want) <= 64<<10 && !bytes.Equal(want, text) {
			t.Fatalf("%q instead of %q (%s)", text, want, problem)
		}
	})
}

// FuzzClean checks what is displayed of text from outside.
func FuzzClean(f *testing.F) {
	const token = "token-1234"
	for _, seed := range []string{
		"Jack Smith", "tok\u200ben-1234", "a\u200d\u200db", "\ufeff", strings.Repeat("ä",
			300), "\x1b[31m", "\xff",
		strings.Repeat("x", 195) + token, token + token, "\U000e0041", "a\u00ad\u202eb", "❤️ 👩‍💻",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkDisplayable(t, token, requester.Clean(token, s))
		if once := requester.Clean("", s); requester.Clean("", once) != once {
			t.Fatalf("%q is not stable", once)
		}
	})
}
