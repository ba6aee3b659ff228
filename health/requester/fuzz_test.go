package requester_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// FuzzParseAccount compares with encoding/json: an accepted document is a JSON object in which
// exactly one member is named id.
func FuzzParseAccount(f *testing.F) {
	for _, seed := range []string{
		jackSmith, `{"id":"a"}`, `{"id":"a","id":"b"}`, `{"ID":"a","id":"b"}`, `{"\u0069d":"a"}`,
		"\ufeff{\"id\":\"a\"}", `{"id":"a"}x`,
		`{"id":"a","balance":NaN}`, `{"id":"a","balance":1e999999999}`,
		`{"id":"a","balance":-1.50,"balance":2}`, `{"id":"a\"NaN","x":-Infinity}`,
		`{"id":"a","public_name":{"EN":"\u001b[31m","EN":""},"company":{"id":"1","superintendent_id":null}}`,
		"null", "[]", "", "<html>", `{"id":"\ud800"}`, "{\"id\":\"\xff\"}", `{"id":{"id":"a"}}`,
		strings.Repeat(`{"id":`, 100),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := requester.ParseAccount(data)
		if err != nil {
			if a != nil || requester.ClassOf(err) != requester.Malformed {
				t.Fatalf("account %v, class %v", a, requester.ClassOf(err))
			}
			if n := len(err.Error()); n > 120 {
				t.Fatalf("an error of %d bytes repeats what it read", n)
			}
			return
		}
		unprintable := func(c rune) bool { return c <= ' ' || c > '~' }
		if id := a.ID(); id == "" || len(id) > 128 || strings.ContainsFunc(id, unprintable) {
			t.Fatalf("the id %q", id)
		}
		for _, s := range []string{a.Name(), a.String()} {
			if strings.ContainsFunc(s,
				unicode.IsControl) || !utf8.ValidString(s) || utf8.RuneCountInString(s) > 1000 {
				t.Fatalf("%q is not displayable", s)
			}
		}
		if n := countIDs(t, data); n != 1 {
			t.Fatalf("accepted with %d ids: %q", n, data)
		}
		out, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		again, err := requester.ParseAccount(out)
		if err != nil {
			t.Fatalf("%s is not read back: %v", out, err)
		}
		if again.String() != a.String() {
			t.Fatalf("%s is read back as %s", a, again)
		}
	})
}

// countIDs counts the members named id by the tokens of the document.
func countIDs(t *testing.T, data []byte) int {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !json.Valid(data) {
		if !bytes.Contains(data, []byte("NaN")) && !bytes.Contains(data, []byte("Infinity")) {
			t.Fatalf("accepted what is no JSON: %q", data)
		}
		return 1 // not JSON because of NaN or Infinity
	}
	n, depth := 0, 0
	dec := json.NewDecoder(bytes.NewReader(data))
	name := false // the next string at depth 1 is a name
	for {
		token, err := dec.Token()
		if err != nil {
			return n
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
				name = v == '{'
				if depth > 1 {
					name = false
				}
				continue
			}
			depth--
			name = depth == 1
			continue
		case string:
			if depth == 1 && name {
				if v == "id" {
					n++
				}
				name = false
				continue
			}
		}
		if depth == 1 {
			name = true
		}
	}
}

func FuzzParseErrorBody(f *testing.F) {
	for _, seed := range []string{
		platforms401, platforms404, `{"code":"X","request_id":""}`,
		`{"code":"X","code":"Y","request_id":"r"}`, `{"CODE":"X","request_id":"r"}`,
		`{"request_id":"r","code":"TOO_MANY_REQUESTS","payload":{"interval":"MIN"}}`, `{"payload":[]}`,
		`{"payload":{"interval":7}}`,
		"", "null", "[]", "<html>", `{"code":null,"request_id":null}`, "\ufeff" +
			platforms401, platforms401 + "x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := requester.ParseErrorBody(data)
		if !b.OfPlatform {
			return
		}
		var loose struct {
			Code      *string `json:"code"`
			RequestID *string `json:"request_id"`
		}
		text := bytes.TrimPrefix(data, []byte("\ufeff"))
		if !json.Valid(text) {
			t.Fatalf("taken for the platform's: %q", data)
		}
		if json.Unmarshal(text, &loose) == nil && (loose.Code == nil || loose.RequestID == nil) {
			t.Fatalf("taken for the platform's without both: %q", data)
		}
		if b.Code == "" {
			t.Fatalf("taken for the platform's without a code: %q", data)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, value := range []string{"", "0", "120", "-1", "9223372037", "99999999999999999999999", "1.5",
		"soon", now.Format(http.TimeFormat), "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		for _, date := range []string{"", now.Format(http.TimeFormat), "Fri, 31 Dec 9999 23:59:59 GMT",
			"x"} {
			f.Add(value, date)
		}
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		d, ok := requester.RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		if d < 0 {
			t.Fatalf("%q against %q is %v", value, date, d)
		}
		if !ok && d != 0 {
			t.Fatalf("%q means nothing and still is %v", value, d)
		}
		if ok && d > 0 && d < time.Duration(math.MaxInt64) && d%time.Second != 0 {
			t.Fatalf("%q is %v: neither form has fractions", value, d)
		}
	})
}

func FuzzBaseURL(f *testing.F) {
	for _, seed := range []string{
		"https://toloka.dev", "https://toloka.dev:443/api/v1/", "http://127.0.0.1:9000", "http://localhost",
		"http://[::1]:1", "http://127.1", "http://LOCALHOST", "http://localhost.",
		"https://me:s3cret@toloka.dev", "https://toloka.dev?x", "https://toloka.dev#", "//toloka.dev",
		"toloka.dev", "https:", "https://[fe80::1%25eth0]", "https://толока.dev", "",
		"http://[::ffff:127.0.0.1]",
		"https://toloka.dev:", "https://toloka.dev:99999", "https:/\\toloka.dev", "https://a@b@c",
		"http://127.0.0.1@elsewhere.example", "http://0177.0.0.1", "http://127.0.0.1%00.example",
		"https://[fC:80:8::0]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := requester.New("", requester.WithBaseURL(raw))
		if err != nil {
			if user, _, found := strings.Cut(raw, "@"); found {
				said := strings.ReplaceAll(err.Error(),
					"write it like https://toloka.dev or http://127.0.0.1:9000", "")
				if _, secret, found := strings.Cut(user,
					"//"); found && len(secret) > 12 && strings.Contains(said, secret) {
					t.Fatalf("the error shows what is before an @: %v", err)
				}
			}
			return
		}
		base := c.BaseURL()
		if base.User != nil || base.Path != "" || base.RawQuery != "" || base.Fragment != "" ||
			base.Hostname() == "" {
			t.Fatalf("%q became %#v", raw, base)
		}
		switch base.Scheme {
		case "https":
		case "http":
			addr, err := netip.ParseAddr(base.Hostname())
			if base.Hostname() != "localhost" && (err != nil || !addr.IsLoopback()) {
				t.Fatalf("%q would be asked over plain http", raw)
			}
		default:
			t.Fatalf("%q has the scheme %q", raw, base.Scheme)
		}
		again, err := requester.New("", requester.WithBaseURL(base.String()))
		if err != nil || *again.BaseURL() != *base {
			t.Fatalf("%q became %q, which is refused or changes: %v", raw, base, err)
		}
		u, err := url.Parse(raw)
		if err != nil || !c.Covers(u, "") || !c.Covers(base.JoinPath("/api/v1/requester"), base.Host) {
			t.Fatalf("%q does not cover itself", raw)
		}
	})
}

// FuzzBalance compares with exact arithmetic: a balance is the number itself, rounded by at most
// half of its last digit.
func FuzzBalance(f *testing.F) {
	for _, seed := range []string{
		"121.3", "-0.01", "0", "-0", "1.5e3", "121.30000000000001136868377216160297393798828125", "1e-300", "4e-20",
		"9999999999999999999.9", "1e19", "0e999999999", "1E+2", "5.551115123125783e-17", "0.05e-18",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, literal string) {
		var number json.Number
		if json.Unmarshal([]byte(literal), &number) != nil || number == "" || strings.Contains(literal, `"`) {
			return
		}
		a, err := requester.ParseAccount([]byte(`{"id":"a","balance":` + literal + `}`))
		if err != nil {
			t.Fatal(err)
		}
		balance, ok := a.Balance()
		mantissa, exponent, _ := strings.Cut(strings.ToLower(number.String()), "e")
		if len(strings.TrimLeft(exponent, "+-0")) > 4 {
			return // not for exact arithmetic
		}
		exact, valid := new(big.Rat).SetString(number.String())
		if !valid {
			t.Fatalf("%q", number)
		}
		if !ok {
			absurd := len(literal) > 300 ||
				exact.Cmp(big.NewRat(1e18, 1)) > 0 || exact.Cmp(big.NewRat(-1e18, 1)) < 0 ||
				strings.ContainsAny(mantissa, "123456789") && new(big.Rat).Abs(exact).Cmp(big.NewRat(1, 1e18)) < 0 ||
				exact.Sign() == 0
			if !absurd {
				t.Fatalf("%s has no balance", literal)
			}
			return
		}
		got, _ := new(big.Rat).SetString(balance.String())
		half := new(big.Rat).SetFrac(big.NewInt(1),
			new(big.Int).Mul(big.NewInt(2), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(balance.Scale())), nil)))
		if diff := new(big.Rat).Sub(got, exact); diff.Abs(diff).Cmp(half) > 0 {
			t.Fatalf("%s became %s", literal, balance)
		}
		if got.Sign() != exact.Sign() {
			t.Fatalf("%s became %s", literal, balance)
		}
	})
}
