package requestertest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"maps"
	"strings"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// defaultID is the id of DefaultAccount.
const defaultID = "566ec2b0ff0deeaae5f9d500629de162"

// Account is an account on the fake platform.
type Account struct {
	// ID is the account's id. "" means the id of [DefaultAccount].
	ID string
	// Balance is the JSON text of the balance: "121.3" is valid, `"12"` and "1e999999999" are
	// not. "" leaves the member out.
	Balance string
	// PublicName is the name by language code. nil leaves the member out.
	PublicName map[string]string
	// Company is nil for an account without one.
	Company *requester.Company
}

// DefaultAccount returns the account of the platform's documentation: Jack Smith of company 123,
// with a balance of 121.3.
func DefaultAccount() Account {
	return Account{
		ID:         defaultID,
		Balance:    "121.3",
		PublicName: map[string]string{"EN": "Jack Smith"},
		Company:    &requester.Company{ID: "123", SuperintendentID: defaultID},
	}
}

// Verified returns the account as [requester.Client.Requester] returns it after a verification,
// for tests of code that receives it, such as a handler behind a gate with a fake checker. It
// panics if the id is not valid.
func (a Account) Verified() *requester.Account {
	account, err := requester.ParseAccount(a.json())
	if err != nil {
		panic("requestertest: Account.Verified: " + err.Error())
	}
	return account
}

// json returns the body of the platform's answer.
func (a Account) json() []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":` + quote(idOr(a.ID)))
	if a.Balance != "" {
		b.WriteString(`,"balance":` + a.Balance)
	}
	if a.PublicName != nil {
		b.WriteString(`,"public_name":` + quote(a.PublicName))
	}
	if a.Company != nil {
		b.WriteString(`,"company":{"id":` + quote(a.Company.ID) +
			`,"superintendent_id":` + quote(a.Company.SuperintendentID) + `}`)
	}
	b.WriteString("}")
	return b.Bytes()
}

// SetAccount adds the account, or replaces the account with the same id. Tokens stay valid.
func (p *Platform) SetAccount(a Account) {
	a.ID = idOr(a.ID)
	a.PublicName = maps.Clone(a.PublicName)
	if a.Company != nil {
		company := *a.Company
		a.Company = &company
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accounts[a.ID] = a
}

// ShareAccount lets the tokens of another account act under this one with the header
// X-Act-Under-Account-ID; see requester.WithActUnderAccount.
func (p *Platform) ShareAccount(accountID, withAccountID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := p.accountLocked(accountID).ID
	if p.shared[id] == nil {
		p.shared[id] = map[string]bool{}
	}
	p.shared[id][idOr(withAccountID)] = true
}

// IssueToken returns a new API key of the account. "" means [DefaultAccount]; an account that does
// not exist is created. The key has the shape of the platform's keys, states no scheme, and is
// valid under ApiKey.
func (p *Platform) IssueToken(accountID string) credentials.Token {
	// The public clients recognise a key by the length before the first dot.
	value := randomText(22) + "." + randomText(32) + "." + randomText(43)
	t, _ := credentials.ParseToken(value)
	p.AcceptToken(accountID, t)
	return t
}

// AcceptToken makes a given token valid for the account, under the scheme that it states, else
// under ApiKey. The zero Token is ignored.
func (p *Platform) AcceptToken(accountID string, t credentials.Token) {
	if t.IsZero() {
		return
	}
	scheme := t.Scheme()
	if scheme == "" {
		scheme = credentials.SchemeAPIKey
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens[keyOf(t)] = issued{token: t, account: p.accountLocked(accountID).ID, scheme: scheme}
}

// DeleteToken makes the token invalid at once, as deleting it on the account page does. It ignores
// an unknown token.
//
// A checker that has verified the token reports confirming_rejection, which is a warning, after
// one refusal, and rejected only after a second one. See the package documentation.
func (p *Platform) DeleteToken(t credentials.Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tokens, keyOf(t))
}

// accountLocked returns the account. It creates one that does not exist.
func (p *Platform) accountLocked(id string) Account {
	id = idOr(id)
	a, ok := p.accounts[id]
	if !ok {
		a = Account{ID: id, Balance: "0", PublicName: map[string]string{"EN": "Jack Smith"}}
		p.accounts[id] = a
	}
	return a
}

func idOr(id string) string {
	if id == "" {
		return defaultID
	}
	return id
}

func randomText(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()[:n]
}

// quote returns v, a string or a map of strings, as JSON.
func quote(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}
