package requester

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/govalues/decimal"
)

const (
	problemNoID    problem = `the JSON object has no member "id"`
	problemTwoIDs  problem = `the JSON object has more than one member "id"`
	problemIDType  problem = `the member "id" is not a string`
	problemIDEmpty problem = `the member "id" is empty`
	problemIDText  problem = `the member "id" has white space or characters outside printable ASCII`
	problemIDToken problem = `the member "id" repeats the token`
)

var problemIDLong = problem(fmt.Sprintf(`the member "id" is longer than %d bytes`, maxID))

// malformedError says that a document is not an account.
type malformedError struct{ problem problem }

func (e *malformedError) Error() string {
	return "requester: not an account: " + string(e.problem)
}

// Class returns [Malformed].
func (e *malformedError) Class() Class { return Malformed }

func parseAccount(data []byte, redact redactor) (*Account, problem) {
	var id, balance, names, company once
	p := eachMember(withoutNonNumbers(data), func(name string, value json.RawMessage) {
		switch name {
		case "id":
			id.add(value)
		case "balance":
			balance.add(value)
		case "public_name":
			names.add(value)
		case "company":
			company.add(value)
		}
	})
	if p != "" {
		return nil, p
	}
	a := &Account{}
	if a.id, p = parseID(id, redact); p != "" {
		return nil, p
	}
	if balance.count == 1 {
		a.balance, a.hasBalance = parseBalance(balance.value)
	}
	if names.count == 1 {
		a.names = parseNames(names.value, redact)
	}
	if company.count == 1 {
		a.company = parseCompany(company.value, redact)
	}
	return a, ""
}

func parseID(id once, redact redactor) (string, problem) {
	switch {
	case id.count == 0:
		return "", problemNoID
	case id.count > 1:
		return "", problemTwoIDs
	}
	s, ok := stringOf(id.value)
	switch {
	case !ok:
		return "", problemIDType
	case s == "":
		return "", problemIDEmpty
	case len(s) > maxID:
		return "", problemIDLong
	case !isID(s):
		return "", problemIDText
	case redact(s) != s:
		return "", problemIDToken
	}
	return s, ""
}

// parseBalance rounds to the digits of a decimal.Decimal: encoders that write a binary float in
// full add digits that mean nothing. A number that does not fit, or that rounds to zero without
// being zero, is left out.
func parseBalance(raw json.RawMessage) (decimal.Decimal, bool) {
	text := string(raw)
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return decimal.Decimal{}, false // not a JSON number
	}
	d, err := decimal.Parse(text)
	if err != nil {
		return decimal.Decimal{}, false
	}
	digits, _, _ := strings.Cut(strings.ToLower(text), "e")
	if d.IsZero() && strings.ContainsAny(digits, "123456789") {
		return decimal.Decimal{}, false
	}
	return d, true
}

// withoutNonNumbers replaces NaN, Infinity and -Infinity by null. JSON does not have them, but
// common encoders (Python's json) write them, and such a balance must not make the account
// unreadable. Outside strings no JSON has these words, so a valid document does not change.
func withoutNonNumbers(data []byte) []byte {
	if !bytes.Contains(data, []byte("NaN")) && !bytes.Contains(data, []byte("Infinity")) {
		return data
	}
	out := make([]byte, 0, len(data))
	inString := false
	for i := 0; i < len(data); i++ {
		switch word := nonNumberAt(data[i:]); {
		case inString && data[i] == '\\' && i+1 < len(data):
			out = append(out, data[i])
			i++
		case data[i] == '"':
			inString = !inString
		case !inString && word > 0:
			out = append(out, "null"...)
			i += word - 1
			continue
		}
		out = append(out, data[i])
	}
	return out
}

// nonNumberAt returns the length of the word that data starts with, 0 if it is none of them.
func nonNumberAt(data []byte) int {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if len(data) >= len(word) && string(data[:len(word)]) == word {
			return len(word)
		}
	}
	return 0
}

// parseNames leaves out what is empty after cleaning, and keys that are not language codes.
func parseNames(raw json.RawMessage, redact redactor) map[string]string {
	names := map[string]string{}
	p := eachMember(raw, func(lang string, value json.RawMessage) {
		name, ok := stringOf(value)
		if name = redact.clean(name); ok && name != "" && redact.identifier(lang) != "" {
			names[lang] = name
		}
	})
	if p != "" || len(names) == 0 {
		return nil
	}
	return names
}

func parseCompany(raw json.RawMessage, redact redactor) Company {
	var id, superintendent once
	p := eachMember(raw, func(name string, value json.RawMessage) {
		switch name {
		case "id":
			id.add(value)
		case "superintendent_id":
			superintendent.add(value)
		}
	})
	if p != "" || superintendent.count > 1 {
		return Company{}
	}
	c := Company{}
	if c.ID, p = parseID(id, redact); p != "" {
		return Company{}
	}
	if s, ok := stringOf(superintendent.value); ok && isID(s) && redact(s) == s {
		c.SuperintendentID = s
	}
	return c
}
