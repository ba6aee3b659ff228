package requester

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/govalues/decimal"
)

// Account is the account that a token belongs to, as the platform described it in one
// answer. It never changes, so it is shared by pointer between goroutines without a lock.
//
// Its strings are fit for a log line and a terminal: control characters, and those that
// turn the direction of writing, have been replaced by U+FFFD.
type Account struct {
	id         string
	company    Company // with an empty ID: none
	balance    decimal.Decimal
	hasBalance bool
	names      map[string]string
}

// Company is the company that an account is part of.
type Company struct {
	// ID is the company's own id. It is never empty.
	ID string
	// SuperintendentID is the id of the client who owns the company account, "" where the
	// platform does not say.
	SuperintendentID string
}

// ParseAccount reads the body of the platform's 200 answer: a JSON object with exactly one
// member "id", a non-empty string, and nothing after it. Members that it does not know are
// passed over. A balance, name or company that cannot be read, or is there twice, is left
// out: it never makes the account unreadable. The error has the class [Malformed].
func ParseAccount(data []byte) (*Account, error) {
	a, p := parseAccount(data, func(s string) string { return s })
	if p != "" {
		return nil, &malformedError{p}
	}
	return a, nil
}

// ID is the account's id, never empty.
func (a *Account) ID() string { return a.id }

// Company is the company that the account is part of, and false for an account without one.
func (a *Account) Company() (Company, bool) { return a.company, a.company.ID != "" }

// Balance is the money on the account in US dollars, exactly as the platform wrote it; it
// may be negative. False means that the platform gave none, or none that a
// [decimal.Decimal] holds to the last digit.
func (a *Account) Balance() (decimal.Decimal, bool) { return a.balance, a.hasBalance }

// Name is the account's public name in the first of langs that there is one in, else in
// English, else in the first language of the alphabet; "" for an account without a name.
// Languages are the platform's codes, such as EN or PT_BR, in any case; "pt-BR" is taken
// for PT_BR.
func (a *Account) Name(langs ...string) string {
	for _, lang := range append(slices.Clip(langs), "EN") {
		if name, ok := a.names[lang]; ok {
			return name
		}
		if name, ok := a.names[strings.ToUpper(strings.ReplaceAll(lang, "-", "_"))]; ok {
			return name
		}
	}
	if len(a.names) == 0 {
		return ""
	}
	return a.names[slices.Min(slices.Collect(maps.Keys(a.names)))]
}

// Names is the account's public name by language code: a copy, nil when there is none.
func (a *Account) Names() map[string]string { return maps.Clone(a.names) }

// String is the account in one line for people: "566e… (Jack Smith), company 123, balance
// 121.3 USD", without what the account does not have.
func (a *Account) String() string {
	var b strings.Builder
	b.WriteString(a.id)
	if name := a.Name(); name != "" {
		b.WriteString(" (" + name + ")")
	}
	if a.company.ID != "" {
		b.WriteString(", company " + a.company.ID)
	}
	if a.hasBalance {
		b.WriteString(", balance " + a.balance.String() + " USD")
	}
	return b.String()
}

// MarshalJSON writes the account in the platform's own shape: id, balance, public_name and
// company, without what the account does not have. The balance is a number with every digit
// that the platform wrote. [ParseAccount] reads it back.
func (a *Account) MarshalJSON() ([]byte, error) {
	type company struct {
		ID               string `json:"id"`
		SuperintendentID string `json:"superintendent_id,omitempty"`
	}
	doc := struct {
		ID      string            `json:"id"`
		Balance json.Number       `json:"balance,omitempty"`
		Names   map[string]string `json:"public_name,omitempty"`
		Company *company          `json:"company,omitempty"`
	}{ID: a.id, Names: a.names}
	if a.hasBalance {
		doc.Balance = json.Number(a.balance.String())
	}
	if c, ok := a.Company(); ok {
		doc.Company = (*company)(&c)
	}
	return json.Marshal(doc)
}

// LogValue is a group of id, name, company.id and balance, without what the account does
// not have.
func (a *Account) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("id", a.id)}
	if name := a.Name(); name != "" {
		attrs = append(attrs, slog.String("name", name))
	}
	if a.company.ID != "" {
		attrs = append(attrs, slog.String("company.id", a.company.ID))
	}
	if a.hasBalance {
		attrs = append(attrs, slog.String("balance", a.balance.String()))
	}
	return slog.GroupValue(attrs...)
}
