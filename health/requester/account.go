package requester

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/govalues/decimal"
)

// Account is the account that a token belongs to, as the platform described it in one answer.
// It is immutable and safe for concurrent use.
//
// Its names are safe to display in a log line or a terminal: invisible characters are removed,
// control characters and those that change the direction of text are replaced by U+FFFD, and
// a name ends after 200 characters. Its ids are exactly those of the platform: they are
// printable ASCII without spaces, of at most 128 bytes.
type Account struct {
	id         string
	company    Company // with an empty ID: none
	balance    decimal.Decimal
	hasBalance bool
	names      map[string]string
}

// Company is the company that an account belongs to.
type Company struct {
	// ID is the company's own id. It is never empty.
	ID string
	// SuperintendentID is the id of the client who owns the company account, "" if the
	// platform did not send one.
	SuperintendentID string
}

// ParseAccount parses the body of the platform's 200 answer: a JSON object with exactly one
// member "id", a valid id (see [Account]), and nothing after it. Unknown members are ignored. A
// balance, name or company that is invalid or duplicated is left out; it is not an error. An
// error has the class [Malformed].
func ParseAccount(data []byte) (*Account, error) {
	a, p := parseAccount(data, noRedactor)
	if p != "" {
		return nil, &malformedError{p}
	}
	return a, nil
}

// ID returns the account's id. It is never empty, except for the zero Account.
func (a *Account) ID() string { return a.id }

// Company returns the account's company, and false for an account without one.
func (a *Account) Company() (Company, bool) { return a.company, a.company.ID != "" }

// Balance returns the money on the account in US dollars, rounded to the 19 digits of a
// [decimal.Decimal]. It can be negative. It returns false if the platform sent no balance, or
// one that is not a number or does not fit.
func (a *Account) Balance() (decimal.Decimal, bool) { return a.balance, a.hasBalance }

// Name returns the account's public name in the first of langs that it has, else in English,
// else in the first language by code, else "". Languages are the platform's codes, such as EN
// or PT_BR, in any case; "pt-BR" means PT_BR.
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

// String describes the account in one line: "566e… (Jack Smith), company 123, balance 121.3
// USD". It leaves out what the account does not have.
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

// MarshalJSON encodes the account as the platform does: id, balance, public_name and company.
// It leaves out what the account does not have. [ParseAccount] decodes it.
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

// LogValue returns a group of id, name, company.id and balance. It leaves out what the account
// does not have.
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
