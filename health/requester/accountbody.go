package requester

import (
	"bytes"
	"encoding/json"
	"math/big"

	"github.com/govalues/decimal"
)

const (
	problemNoID    problem = `the JSON object has no member "id"`
	problemTwoIDs  problem = `the JSON object has more than one member "id"`
	problemIDType  problem = `the member "id" is not a string`
	problemIDEmpty problem = `the member "id" is empty`
)

// malformedError says that a document is no account.
type malformedError struct{ problem problem }

func (e *malformedError) Error() string { return "requester: this is no account: " + string(e.problem) }

// Class is always Malformed.
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
	}
	return redact.clean(s), ""
}

// parseBalance takes a number only as it is: one with more digits than fit is left out, not
// rounded, because a wrong balance is worse than none.
func parseBalance(raw json.RawMessage) (decimal.Decimal, bool) {
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return decimal.Decimal{}, false
	}
	d, err := decimal.Parse(string(raw))
	if err != nil {
		return decimal.Decimal{}, false
	}
	// Parse has bounded length and exponent, so the exact numbers are small.
	want, ok := new(big.Rat).SetString(string(raw))
	got, ok2 := new(big.Rat).SetString(d.String())
	if !ok || !ok2 || want.Cmp(got) != 0 {
		return decimal.Decimal{}, false
	}
	return d, true
}

// withoutNonNumbers puts null in place of the NaN, Infinity and -Infinity that JSON does
// not have and common encoders (Python's json) write all the same: a balance like that must
// not cost the account. Outside of strings no JSON has these words, so a good document
// stays as it is.
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

// nonNumberAt is the length of the word that data starts with, 0 if it is none of them.
func nonNumberAt(data []byte) int {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if len(data) >= len(word) && string(data[:len(word)]) == word {
			return len(word)
		}
	}
	return 0
}

func parseNames(raw json.RawMessage, redact redactor) map[string]string {
	names := map[string]string{}
	p := eachMember(raw, func(lang string, value json.RawMessage) {
		if name, ok := stringOf(value); ok && name != "" {
			names[redact.clean(lang)] = redact.clean(name)
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
	if p != "" || id.count != 1 || superintendent.count > 1 {
		return Company{}
	}
	c := Company{}
	if s, ok := stringOf(id.value); ok {
		c.ID = redact.clean(s)
	}
	if s, ok := stringOf(superintendent.value); ok {
		c.SuperintendentID = redact.clean(s)
	}
	if c.ID == "" {
		return Company{}
	}
	return c
}
