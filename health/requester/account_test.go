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
	assert.Equal(t, map[string]string{"EN": "Jack Smith"}, a.Names())
	company, ok := a.Company()
	assert.True(t, ok)
	assert.Equal(t, requester.Company{ID: "123", SuperintendentID: "566ec2b0ff0deeaae5f9d500629de162"}, company)
}

func TestParseAccountAccepts(t *testing.T) {
	tests := []struct{ name, body, id string }{
		{"an account with nothing but an id", `{"id":"a"}`, "a"},
		{"white space around the object", " \r\n\t{\"id\":\"a\"}\n\n", "a"},
		{"a byte order mark in front", "\ufeff" + `{"id":"a"}`, "a"},
		{"members that it does not know", `{"x":{"id":"b","deep":[[[{"id":1}]]]},"id":"a","y":null}`, "a"},
		{"a member ID beside id: another name", `{"ID":"b","id":"a","Id":"c"}`, "a"},
		{"an id that is written with escapes", `{"\u0069d":"\u0061"}`, "a"},
		{"an id of blanks, which is not empty", `{"id":" "}`, " "},
		{"an id with control characters, made printable", `{"id":"a\u001b[31m\n"}`, "a\ufffd[31m\ufffd"},
		{"a document with a bare NaN where it is of no use", `{"id":"a","x":[NaN,-Infinity,Infinity]}`, "a"},
		{"strings with NaN and quotes in them", `{"id":"a\"NaN\\","x":NaN,"y":"-Infinity"}`, `a"NaN\`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.id, mustAccount(t, tt.body).ID())
		})
	}
}

func TestParseAccountRefuses(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"nothing", "", "the body is empty"},
		{"white space", " \n", "the body is empty"},
		{"a byte order mark alone", "\ufeff", "the body is empty"},
		{"two byte order marks", "\ufeff\ufeff{}", "the body is not JSON"},
		{"a page", "\n<!DOCTYPE html><html></html>", "the body is HTML, not JSON"},
		{"words", "OK", "the body is not JSON"},
		{"null", "null", "the body is not a JSON object"},
		{"an array", `[{"id":"a"}]`, "the body is not a JSON object"},
		{"a string", `"id"`, "the body is not a JSON object"},
		{"a number", "1", "the body is not a JSON object"},
		{"an empty object", "{}", `the JSON object has no member "id"`},
		{"an object with ID only", `{"ID":"a"}`, `the JSON object has no member "id"`},
		{"an object with id further down", `{"requester":{"id":"a"}}`, `the JSON object has no member "id"`},
		{"two ids", `{"id":"a","id":"b"}`, `the JSON object has more than one member "id"`},
		{"the same id twice", `{"id":"a","id":"a"}`, `the JSON object has more than one member "id"`},
		{"two ids, one of them in disguise", `{"id":"a","\u0069d":"b"}`, `the JSON object has more than one member "id"`},
		{"two ids, one of them null", `{"id":null,"id":"a"}`, `the JSON object has more than one member "id"`},
		{"an empty id", `{"id":""}`, `the member "id" is empty`},
		{"a number for an id", `{"id":1}`, `the member "id" is not a string`},
		{"null for an id", `{"id":null}`, `the member "id" is not a string`},
		{"NaN for an id", `{"id":NaN}`, `the member "id" is not a string`},
		{"an object for an id", `{"id":{"id":"a"}}`, `the member "id" is not a string`},
		{"an array for an id", `{"id":["a"]}`, `the member "id" is not a string`},
		{"two objects", `{"id":"a"}{"id":"b"}`, "the body goes on after the JSON object"},
		{"something after the object", `{"id":"a"} x`, "the body goes on after the JSON object"},
		{"a NUL after the object", "{\"id\":\"a\"}\x00", "the body goes on after the JSON object"},
		{"half an object", `{"id":"a"`, "the body is cut short"},
		{"half a string", `{"id":"a`, "the body is cut short"},
		{"half a member", `{"id"`, "the body is cut short"},
		{"an object that ends as an array", `{"id":"a"]`, "the body is not JSON"},
		{"a comma too many", `{"id":"a",}`, "the body is not JSON"},
		{"a comma missing", `{"id":"a" "x":1}`, "the body is not JSON"},
		{"a name without quotes", `{id:"a"}`, "the body is not JSON"},
		{"a number for a name", `{1:"a"}`, "the body is not JSON"},
		{"a comment", `{"id":"a"/**/}`, "the body is not JSON"},
		{"nesting beyond all measure", `{"id":"a","x":` + strings.Repeat("[", 30000) + strings.Repeat("]", 30000) + "}", "the body is not JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := requester.ParseAccount([]byte(tt.body))
			assert.Nil(t, a)
			assert.EqualError(t, err, "requester: this is no account: "+tt.want)
			assert.Equal(t, requester.Malformed, requester.ClassOf(err))
		})
	}
}

func TestBalance(t *testing.T) {
	tests := []struct{ name, literal, want string }{
		{"a decimal", "121.3", "121.3"},
		{"zero", "0", "0"},
		{"a debt", "-0.01", "-0.01"},
		{"trailing zeros are kept", "121.30", "121.30"},
		{"an exponent", "1.5e3", "1500"},
		{"what a float would round", "0.1234567890123456789", "0.1234567890123456789"},
		{"the largest integer of 19 digits", "9999999999999999999", "9999999999999999999"},
		{"more digits than fit are left out, not rounded", "0.12345678901234567891", ""},
		{"an integer that does not fit is left out", "99999999999999999999", ""},
		{"an absurd exponent is left out", "1e999999999", ""},
		{"an absurdly small one is left out, not taken for zero", "1e-300", ""},
		{"a negative exponent that would wrap around is left out", "1e-99999999999999999999", ""},
		{"a string is left out", `"121.3"`, ""},
		{"the string NaN is left out", `"NaN"`, ""},
		{"a bare NaN is left out", "NaN", ""},
		{"a bare Infinity is left out", "Infinity", ""},
		{"a bare -Infinity is left out", "-Infinity", ""},
		{"null is left out", "null", ""},
		{"true is left out", "true", ""},
		{"an object is left out", `{"amount":1}`, ""},
		{"an array is left out", "[1]", ""},
		{"a number of a thousand digits is left out", strings.Repeat("9", 1000), ""},
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
	t.Run("an account without one has none", func(t *testing.T) {
		_, ok := mustAccount(t, `{"id":"a"}`).Balance()
		assert.False(t, ok)
	})
	t.Run("of two neither counts", func(t *testing.T) {
		_, ok := mustAccount(t, `{"id":"a","balance":1,"balance":1}`).Balance()
		assert.False(t, ok)
	})
}

func TestCompany(t *testing.T) {
	tests := []struct {
		name, members string
		want          requester.Company
	}{
		{"with an owner", `"company":{"id":"123","superintendent_id":"b"}`, requester.Company{ID: "123", SuperintendentID: "b"}},
		{"without an owner", `"company":{"id":"123"}`, requester.Company{ID: "123"}},
		{"with an owner that is no string", `"company":{"id":"123","superintendent_id":7}`, requester.Company{ID: "123"}},
		{"with members that it does not know", `"company":{"ID":"9","id":"123","x":1}`, requester.Company{ID: "123"}},
		{"none at all", `"x":1`, requester.Company{}},
		{"null", `"company":null`, requester.Company{}},
		{"a string", `"company":"123"`, requester.Company{}},
		{"without an id", `"company":{"superintendent_id":"b"}`, requester.Company{}},
		{"with an empty id", `"company":{"id":""}`, requester.Company{}},
		{"with a number for an id", `"company":{"id":123}`, requester.Company{}},
		{"with two ids", `"company":{"id":"1","id":"2"}`, requester.Company{}},
		{"with two owners", `"company":{"id":"1","superintendent_id":"2","superintendent_id":"3"}`, requester.Company{}},
		{"two companies", `"company":{"id":"1"},"company":{"id":"1"}`, requester.Company{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			company, ok := mustAccount(t, `{"id":"a",`+tt.members+`}`).Company()
			assert.Equal(t, tt.want, company)
			assert.Equal(t, tt.want.ID != "", ok)
		})
	}
}

func TestName(t *testing.T) {
	const four = `{"RU":"Иван","PT_BR":"João","EN":"Jack","DE":"Hans"}`
	tests := []struct {
		name, names string
		langs       []string
		want        string
	}{
		{"without a wish it is the English one", four, nil, "Jack"},
		{"the wish comes first", four, []string{"RU"}, "Иван"},
		{"the first wish that can be met", four, []string{"FR", "DE", "RU"}, "Hans"},
		{"a wish in lower case", four, []string{"ru"}, "Иван"},
		{"a wish as a language tag", four, []string{"pt-BR"}, "João"},
		{"English where no wish can be met", four, []string{"FR", ""}, "Jack"},
		{"without English the first of the alphabet", `{"RU":"Иван","DE":"Hans"}`, []string{"FR"}, "Hans"},
		{"a code in another spelling is found as it is written", `{"en-us":"Joe","AA":"x"}`, []string{"en-us"}, "Joe"},
		{"an empty name is none", `{"EN":"","RU":"Иван"}`, []string{"EN"}, "Иван"},
		{"a name that is no string is none", `{"EN":7,"FR":null,"RU":"Иван"}`, []string{"EN"}, "Иван"},
		{"no names", `{}`, []string{"EN"}, ""},
		{"null", `null`, nil, ""},
		{"a string in place of the map", `"Jack"`, nil, ""},
		{"an array in place of the map", `["Jack"]`, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, mustAccount(t, `{"id":"a","public_name":`+tt.names+`}`).Name(tt.langs...))
		})
	}
	t.Run("of two maps neither counts", func(t *testing.T) {
		a := mustAccount(t, `{"id":"a","public_name":{"EN":"x"},"public_name":{"EN":"x"}}`)
		assert.Equal(t, "", a.Name())
		assert.Nil(t, a.Names())
	})
	t.Run("asking leaves the caller's slice alone", func(t *testing.T) {
		langs := []string{"FR", "XX"}
		mustAccount(t, `{"id":"a","public_name":`+four+`}`).Name(langs[:1]...)
		assert.Equal(t, []string{"FR", "XX"}, langs)
	})
	t.Run("the map that Names returns is a copy", func(t *testing.T) {
		a := mustAccount(t, jackSmith)
		a.Names()["EN"] = "somebody else"
		assert.Equal(t, "Jack Smith", a.Name())
	})
}

func TestAccountIsPrintable(t *testing.T) {
	const evil = `Jack\u001b]0;owned\u0007\n\r\u0000\u007f\u009b31m\u202e\u2066\u2028htimS`
	const tame = "Jack\ufffd]0;owned\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd31m\ufffd\ufffd\ufffdhtimS"
	a := mustAccount(t, `{"id":"a`+evil+`","public_name":{"EN`+evil+`":"`+evil+`"},"company":{"id":"`+evil+`","superintendent_id":"`+evil+`"}}`)
	assert.Equal(t, "a"+tame, a.ID())
	assert.Equal(t, tame, a.Name())
	assert.Equal(t, map[string]string{"EN" + tame: tame}, a.Names())
	company, _ := a.Company()
	assert.Equal(t, requester.Company{ID: tame, SuperintendentID: tame}, company)
	assert.Equal(t, "a"+tame+" ("+tame+"), company "+tame, a.String())

	t.Run("names in other scripts are left alone", func(t *testing.T) {
		const name = "Zoë 张伟 👩‍💻 محمد"
		assert.Equal(t, name, mustAccount(t, `{"id":"a","public_name":{"EN":"`+name+`"}}`).Name())
	})
	t.Run("bytes that are not UTF-8 are replaced", func(t *testing.T) {
		assert.Equal(t, "J\ufffdck", mustAccount(t, "{\"id\":\"a\",\"public_name\":{\"EN\":\"J\xffck\"}}").Name())
	})
}

func TestAccountString(t *testing.T) {
	assert.Equal(t, "566ec2b0ff0deeaae5f9d500629de162 (Jack Smith), company 123, balance 121.3 USD", mustAccount(t, jackSmith).String())
	assert.Equal(t, "a", mustAccount(t, `{"id":"a"}`).String())
}

func TestAccountJSON(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"everything", jackSmith, `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,"public_name":{"EN":"Jack Smith"},` +
			`"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`},
		{"an id alone", `{"id":"a"}`, `{"id":"a"}`},
		{"a balance of zero is there", `{"id":"a","balance":0}`, `{"id":"a","balance":0}`},
		{"digits are kept", `{"id":"a","balance":-1234567890.123456789}`, `{"id":"a","balance":-1234567890.123456789}`},
		{"trailing zeros are kept", `{"id":"a","balance":1.50}`, `{"id":"a","balance":1.50}`},
		{"a company without an owner", `{"id":"a","company":{"id":"1"}}`, `{"id":"a","company":{"id":"1"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := mustAccount(t, tt.body)
			data, err := json.Marshal(a)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(data))
			assert.Equal(t, a, mustAccount(t, string(data)), "it reads back as the same account")
		})
	}
}

func TestAccountLog(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log.Info("hello", "account", mustAccount(t, jackSmith))
	log.Info("hello", "account", mustAccount(t, `{"id":"a","public_name":{"EN":"x\nlevel=ERROR"}}`))
	assert.Equal(t, `level=INFO msg=hello account.id=566ec2b0ff0deeaae5f9d500629de162 account.name="Jack Smith" account.company.id=123 account.balance=121.3
level=INFO msg=hello account.id=a account.name="x`+"\ufffd"+`level=ERROR"
`, b.String())
}
