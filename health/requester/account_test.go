package requester_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

const jackSmith = `{
  "id": "566ec2b0ff0deeaae5f9d500629de162",
  "balance": 121.3,
  "public_name": {"EN": "Jack Smith"},
  "company": {"id": "123", "superintendent_id": "566ec2b0ff0deeaae5f9d500629de162"}
}`

func mustAccount(t testing.TB, body string) *requester.Account {
	t.Helper()
	a, err := requester.ParseAccount([]byte(body))
	require.NoError(t, err)
	return a
}

func TestParseAccount(t *testing.T) {
	a := mustAccount(t, jackSmith)
	assert.Equal(t, "566ec2b0ff0deeaae5f9d500629de162", a.ID())
	balance, ok := a.Balance()
	assert.True(t, ok)
	assert.Equal(t, "121.3", balance.String())
	assert.Equal(t, "Jack Smith", a.Name())
	company, ok := a.Company()
	assert.True(t, ok)
	assert.Equal(t, requester.Company{ID: "123", SuperintendentID: "566ec2b0ff0deeaae5f9d500629de162"},
		company)
}

func TestParseAccount_accepts(t *testing.T) {
	long := strings.Repeat("a", 128)
	tests := []struct{ name, body, id string }{
		{"id only", `{"id":"a"}`, "a"},
		{"white space around the object", " \r\n\t{\"id\":\"a\"}\n\n", "a"},
		{"byte order mark", "\ufeff" + `{"id":"a"}`, "a"},
		{"unknown members", `{"x":{"id":"b","deep":[[[{"id":1}]]]},"id":"a","y":null}`, "a"},
		{"ID next to id", `{"ID":"b","id":"a","Id":"c"}`, "a"},
		{"escaped id", `{"\u0069d":"\u0061"}`, "a"},
		{"id of printable ASCII", `{"id":"!a-b_c.d~"}`, "!a-b_c.d~"},
		{"id of 128 bytes", `{"id":"` + long + `"}`, long},
		{"NaN in an unknown member", `{"id":"a","x":[NaN,-Infinity,Infinity]}`, "a"},
		{"NaN in a string", `{"id":"a\"NaN\\","x":NaN,"y":"-Infinity"}`, `a"NaN\`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.id, mustAccount(t, tt.body).ID())
		})
	}
}

func TestParseAccount_refuses(t *testing.T) {
	const (
		notJSON   = "the body is not JSON"
		notObject = "the body is not a JSON object"
		trailing  = "the body goes on after the JSON object"
		cut       = "the body is cut short"
		noID      = `the JSON object has no member "id"`
		twoIDs    = `the JSON object has more than one member "id"`
		idType    = `the member "id" is not a string`
		idText    = `the member "id" has white space or characters outside printable ASCII`
		idLong    = `the member "id" is longer than 128 bytes`
	)
	tests := []struct{ name, body, want string }{
		{"empty", "", "the body is empty"},
		{"white space", " \n", "the body is empty"},
		{"byte order mark only", "\ufeff", "the body is empty"},
		{"two byte order marks", "\ufeff\ufeff{}", notJSON},
		{"HTML", "\n<!DOCTYPE html><html></html>", "the body is HTML, not JSON"},
		{"text", "OK", notJSON},
		{"null", "null", notObject},
		{"array", `[{"id":"a"}]`, notObject},
		{"string", `"id"`, notObject},
		{"number", "1", notObject},
		{"empty object", "{}", noID},
		{"ID only", `{"ID":"a"}`, noID},
		{"nested id", `{"requester":{"id":"a"}}`, noID},
		{"two ids", `{"id":"a","id":"b"}`, twoIDs},
		{"same id twice", `{"id":"a","id":"a"}`, twoIDs},
		{"two ids, one escaped", `{"id":"a","\u0069d":"b"}`, twoIDs},
		{"two ids, one null", `{"id":null,"id":"a"}`, twoIDs},
		{"empty id", `{"id":""}`, `the member "id" is empty`},
		{"blank id", `{"id":"   "}`, idText},
		{"id with a space", `{"id":"a b"}`, idText},
		{"id with a control character", `{"id":"a\u001b[31m\n"}`, idText},
		{"id with a zero width space", `{"id":"a\u200b"}`, idText},
		{"id with a soft hyphen", `{"id":"a\u00adb"}`, idText},
		{"id with a byte order mark", `{"id":"\ufeffa"}`, idText},
		{"id with a tag", `{"id":"a\udb40\udc41"}`, idText},
		{"id with a direction mark", `{"id":"a\u202e"}`, idText},
		{"id with a letter outside ASCII", `{"id":"ä"}`, idText},
		{"id that is not UTF-8", "{\"id\":\"a\xff\"}", idText},
		{"id of 129 bytes", `{"id":"` + strings.Repeat("a", 129) + `"}`, idLong},
		{"id of 60 KB", `{"id":"` + strings.Repeat("a", 60_000) + `"}`, idLong},
		{"number as id", `{"id":1}`, idType},
		{"null as id", `{"id":null}`, idType},
		{"NaN as id", `{"id":NaN}`, idType},
		{"object as id", `{"id":{"id":"a"}}`, idType},
		{"array as id", `{"id":["a"]}`, idType},
		{"two objects", `{"id":"a"}{"id":"b"}`, trailing},
		{"text after the object", `{"id":"a"} x`, trailing},
		{"NUL after the object", "{\"id\":\"a\"}\x00", trailing},
		{"half an object", `{"id":"a"`, cut},
		{"half a string", `{"id":"a`, cut},
		{"half a member", `{"id"`, cut},
		{"object closed as an array", `{"id":"a"]`, notJSON},
		{"extra comma", `{"id":"a",}`, notJSON},
		{"missing comma", `{"id":"a" "x":1}`, notJSON},
		{"name without quotes", `{id:"a"}`, notJSON},
		{"number as name", `{1:"a"}`, notJSON},
		{"comment", `{"id":"a"/**/}`, notJSON},
		{"deep nesting", `{"id":"a","x":` + strings.Repeat("[", 30000) + strings.Repeat("]", 30000) + "}",
			notJSON},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := requester.ParseAccount([]byte(tt.body))
			assert.Nil(t, a)
			assert.EqualError(t, err, "requester: not an account: "+tt.want)
			assert.Equal(t, requester.Malformed, requester.ClassOf(err))
		})
	}
}

func TestAccount_Balance(t *testing.T) {
	tests := []struct{ name, literal, want string }{
		{"decimal", "121.3", "121.3"},
		{"zero", "0", "0"},
		{"zero with an exponent", "0.00e-7", "0.000000000"},
		{"negative", "-0.01", "-0.01"},
		{"trailing zeros", "121.30", "121.30"},
		{"exponent", "1.5e3", "1500"},
		{"19 digits", "0.1234567890123456789", "0.1234567890123456789"},
		{"largest integer", "9999999999999999999", "9999999999999999999"},
		{"float noise", "121.30000000000001136868377216160297393798828125", "121.3000000000000114"},
		{"negative float noise", "-121.30000000000001136868377216160297393798828125",
			"-121.3000000000000114"},
		{"float noise of 17 digits", "0.30000000000000004", "0.30000000000000004"},
		{"float noise of a large sum", "123456789012.0999908447265625", "123456789012.0999908"},
		{"float noise near zero", "1.1368683772161603e-13", "0.0000000000001136868"},
		{"rounded down", "0.12345678901234567891", "0.1234567890123456789"},
		{"rounded up", "0.12345678901234567895", "0.1234567890123456790"},
		{"rounded to an integer", "1234567890123456789.4", "1234567890123456789"},
		{"300 digits", "1." + strings.Repeat("3", 299), "1.333333333333333333"},
		{"integer of 20 digits", "99999999999999999999", ""},
		{"rounded to 20 digits", "9999999999999999999.9", ""},
		{"large exponent", "1e999999999", ""},
		{"small exponent", "1e-300", ""},
		{"smaller than the last digit", "4e-20", ""},
		{"exponent that overflows", "1e-99999999999999999999", ""},
		{"string", `"121.3"`, ""},
		{"string NaN", `"NaN"`, ""},
		{"NaN", "NaN", ""},
		{"Infinity", "Infinity", ""},
		{"minus Infinity", "-Infinity", ""},
		{"null", "null", ""},
		{"true", "true", ""},
		{"object", `{"amount":1}`, ""},
		{"array", "[1]", ""},
		{"integer of a thousand digits", strings.Repeat("9", 1000), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			balance, ok := mustAccount(t, `{"id":"a","balance":`+tt.literal+`}`).Balance()
			assert.Equal(t, tt.want != "", ok)
			if ok {
				assert.Equal(t, tt.want, balance.String())
			} else {
				assert.True(t, balance.IsZero())
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		_, ok := mustAccount(t, `{"id":"a"}`).Balance()
		assert.False(t, ok)
	})
	t.Run("duplicate", func(t *testing.T) {
		_, ok := mustAccount(t, `{"id":"a","balance":1,"balance":1}`).Balance()
		assert.False(t, ok)
	})
}

func TestAccount_Company(t *testing.T) {
	with := func(id, owner string) requester.Company {
		return requester.Company{ID: id, SuperintendentID: owner}
	}
	tests := []struct {
		name, members string
		want          requester.Company
	}{
		{"with superintendent", `"company":{"id":"123","superintendent_id":"b"}`, with("123", "b")},
		{"without superintendent", `"company":{"id":"123"}`, with("123", "")},
		{"number as superintendent", `"company":{"id":"123","superintendent_id":7}`, with("123", "")},
		{"superintendent with a space", `"company":{"id":"123","superintendent_id":"b c"}`,
			with("123", "")},
		{"unknown members", `"company":{"ID":"9","id":"123","x":1}`, with("123", "")},
		{"missing", `"x":1`, with("", "")},
		{"null", `"company":null`, with("", "")},
		{"string", `"company":"123"`, with("", "")},
		{"without id", `"company":{"superintendent_id":"b"}`, with("", "")},
		{"empty id", `"company":{"id":""}`, with("", "")},
		{"blank id", `"company":{"id":" "}`, with("", "")},
		{"id with an invisible character", `"company":{"id":"123\u200b"}`, with("", "")},
		{"id of 60 KB", `"company":{"id":"` + strings.Repeat("1", 60_000) + `"}`, with("", "")},
		{"number as id", `"company":{"id":123}`, with("", "")},
		{"two ids", `"company":{"id":"1","id":"2"}`, with("", "")},
		{"two superintendents", `"company":{"id":"1","superintendent_id":"2","superintendent_id":"3"}`,
			with("", "")},
		{"two companies", `"company":{"id":"1"},"company":{"id":"1"}`, with("", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			company, ok := mustAccount(t, `{"id":"a",`+tt.members+`}`).Company()
			assert.Equal(t, tt.want, company)
			assert.Equal(t, tt.want.ID != "", ok)
		})
	}
}

func TestAccount_Name(t *testing.T) {
	const four = `{"RU":"Иван","PT_BR":"João","EN":"Jack","DE":"Hans"}`
	tests := []struct {
		name, names string
		langs       []string
		want        string
	}{
		{"default", four, nil, "Jack"},
		{"one language", four, []string{"RU"}, "Иван"},
		{"first language that exists", four, []string{"FR", "DE", "RU"}, "Hans"},
		{"lower case", four, []string{"ru"}, "Иван"},
		{"language tag", four, []string{"pt-BR"}, "João"},
		{"unknown languages", four, []string{"FR", ""}, "Jack"},
		{"no English name", `{"RU":"Иван","DE":"Hans"}`, []string{"FR"}, "Hans"},
		{"code in lower case", `{"en-us":"Joe","AA":"x"}`, []string{"en-us"}, "Joe"},
		{"empty name", `{"EN":"","RU":"Иван"}`, []string{"EN"}, "Иван"},
		{"blank name", `{"EN":" \u200b ","RU":"Иван"}`, []string{"EN"}, "Иван"},
		{"invalid code", `{"A B":"x","RU":"Иван"}`, nil, "Иван"},
		{"code of 60 KB", `{"` + strings.Repeat("A", 60_000) + `":"x","RU":"Иван"}`, nil, "Иван"},
		{"name that is not a string", `{"EN":7,"FR":null,"RU":"Иван"}`, []string{"EN"}, "Иван"},
		{"no names", `{}`, []string{"EN"}, ""},
		{"null", `null`, nil, ""},
		{"string", `"Jack"`, nil, ""},
		{"array", `["Jack"]`, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want,
				mustAccount(t, `{"id":"a","public_name":`+tt.names+`}`).Name(tt.langs...))
		})
	}
	t.Run("duplicate", func(t *testing.T) {
		a := mustAccount(t, `{"id":"a","public_name":{"EN":"x"},"public_name":{"EN":"x"}}`)
		assert.Equal(t, "", a.Name())
	})
	t.Run("argument is not changed", func(t *testing.T) {
		langs := []string{"FR", "XX"}
		mustAccount(t, `{"id":"a","public_name":`+four+`}`).Name(langs[:1]...)
		assert.Equal(t, []string{"FR", "XX"}, langs)
	})
}

func TestAccount_Name_isDisplayable(t *testing.T) {
	long := strings.Repeat("ä", 200)
	tests := []struct{ name, json, want string }{
		{"control characters", `Jack\u001b]0;owned\u0007\n\r\u0000\u007f\u009b31m`,
			"Jack\ufffd]0;owned\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd31m"},
		{"direction and line separators", `a\u202e\u2066\u2028htimS`, "a\ufffd\ufffd\ufffdhtimS"},
		{"zero width space", `Ja\u200bck`, "Jack"},
		{"byte order mark", `\ufeffJack`, "Jack"},
		{"soft hyphen", `Ja\u00adck`, "Jack"},
		{"word joiner", `Ja\u2060ck`, "Jack"},
		{"tags", `Jack\udb40\udc41\udb40\udc7f`, "Jack"},
		{"variation selectors", `Jack\ufe01\udb40\udd00`, "Jack"},
		{"Hangul filler", `Ja\u3164ck`, "Jack"},
		{"joiners that join nothing", `\u200dJack\u200d \u200cSmith\u200c`, "Jack Smith"},
		{"repeated joiner", `ä\u200d\u200d\u200dö`, "ä\u200dö"},
		{"joiner of ASCII letters", `a\u200db`, "ab"},
		{"other white space", `\u00a0Jack\u3000Smith\u2003`, "Jack Smith"},
		{"other scripts", `Zoë 张伟 👩‍💻 ❤️ محمد می\u200cخواهم`, "Zoë 张伟 👩‍💻 ❤️ محمد می\u200cخواهم"},
		{"invalid UTF-8", "J\xffck", "J\ufffdck"},
		{"200 characters", long, long},
		{"201 characters", long + "b", long[:199*2] + "…"},
		{"60 KB", strings.Repeat("x", 60_000), strings.Repeat("x", 199) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, mustAccount(t, `{"id":"a","public_name":{"EN":"`+tt.json+`"}}`).Name())
		})
	}
}

func TestAccount_String(t *testing.T) {
	assert.Equal(t, "566ec2b0ff0deeaae5f9d500629de162 (Jack Smith), company 123, balance 121.3 USD",
		mustAccount(t, jackSmith).String())
	assert.Equal(t, "a", mustAccount(t, `{"id":"a"}`).String())
	assert.Equal(t, "", new(requester.Account).String(), "a zero Account does not panic")
}

func TestAccount_MarshalJSON(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"everything", jackSmith,
			`{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,"public_name":{"EN":"Jack Smith"},` +
				`"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`},
		{"id only", `{"id":"a"}`, `{"id":"a"}`},
		{"balance of zero", `{"id":"a","balance":0}`, `{"id":"a","balance":0}`},
		{"many digits", `{"id":"a","balance":-1234567890.123456789}`,
			`{"id":"a","balance":-1234567890.123456789}`},
		{"trailing zeros", `{"id":"a","balance":1.50}`, `{"id":"a","balance":1.50}`},
		{"company without superintendent", `{"id":"a","company":{"id":"1"}}`,
			`{"id":"a","company":{"id":"1"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := mustAccount(t, tt.body)
			data, err := json.Marshal(a)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(data))
			assert.Equal(t, a, mustAccount(t, string(data)), "ParseAccount reads it back")
		})
	}
}

func TestAccount_LogValue(t *testing.T) {
	var b bytes.Buffer
	withoutTime := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	log.Info("hello", "account", mustAccount(t, jackSmith))
	log.Info("hello", "account", mustAccount(t, `{"id":"a","public_name":{"EN":"x\nlevel=ERROR"}}`))
	assert.Equal(t, `level=INFO msg=hello account.id=566ec2b0ff0deeaae5f9d500629de162 account.name="Jack Smith" account.company.id=123 account.balance=121.3
level=INFO msg=hello account.id=a account.name="x`+"\ufffd"+`level=ERROR"
`, b.String())
}
