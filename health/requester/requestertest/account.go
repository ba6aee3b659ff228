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

// AccountID is the id of [DefaultAccount].
const AccountID = "566ec2b0ff0deeaae5f9d500629de162"

// Account is an account on the fake platform.
type Account struct {
	// ID is the account's id; "" stands for [AccountID].
	ID string
	// Balance is written into the answer as it stands: "121.3" is a good balance, `"12"`
	// and "1e999999999" are bad ones. "" leaves the member out.
	Balance string
	// PublicName is the name by language code; nil leaves the member out.
	PublicName map[string]string
	// Company is nil for an account without one.
	Company *requester.Company
}

// DefaultAccount is the account of the platform's documentation: Jack Smith of company 123,
// with a balance of 121.3.
func DefaultAccount() Account {
	return Account{
		ID:         AccountID,
		Balance:    "121.3",
		PublicName: map[string]string{"EN": "Jack Smith"},
		Company:    &requester.Company{ID: "123", SuperintendentID: AccountID},
	}
}

// JSON is the body that the platform answers for the account.
func (a Account) JSON() []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":` + quote(idOr(a.ID)))
	if a.Balance != "" {
		b.WriteString(`,"balance":` + a.Balance)
	}
	if a.PublicName != nil {
		b.WriteString(`,"public_name":` + quote(a.PublicName))
	}
	if a.Company != nil {
		b.WriteString(`,"company":{"id":` + quote(a.Company.ID) + `,"superintendent_id":` + quote(a.Company.SuperintendentID) + `}`)
	}
	b.WriteString("}")
	return b.Bytes()
}

// SetAccount adds the account, or replaces the one with its id. Tokens stay valid.
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

// SetBalance changes what the account's balance is written as; see [Account]. An account
// that does not exist is made.
func (p *Platform) SetBalance(accountID, balance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.accountLocked(accountID)
	a.Balance = balance
	p.accounts[a.ID] = a
}

// ShareAccount lets the tokens of another account act under this one, by the header
// X-Act-Under-Account-ID.
func (p *Platform) ShareAccount(accountID, withAccountID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := p.accountLocked(accountID).ID
	if p.shared[id] == nil {
		p.shared[id] = map[string]bool{}
	}
	p.shared[id][idOr(withAccountID)] = true
}

// IssueToken returns a new API key of the account; "" means [AccountID], and an account
// that does not exist is made. The key has the shape of the platform's own, states no
// scheme, and works under ApiKey.
func (p *Platform) IssueToken(accountID string) credentials.Token {
	// The length before the first dot is what the public clients tell a key by.
	value := randomText(22) + "." + randomText(32) + "." + randomText(43)
	t, _ := credentials.ParseToken(value)
	p.AcceptToken(accountID, t)
	return t
}

// IssueOAuthToken returns a new token of the old kind, which states the scheme OAuth and
// works under no other.
func (p *Platform) IssueOAuthToken(accountID string) credentials.Token {
	t, _ := credentials.ParseToken("OAuth AQAAAA" + randomText(33))
	p.AcceptToken(accountID, t)
	return t
}

// AcceptToken makes a token of the test's own choice valid for the account: under the
// scheme that it states, else under ApiKey. The zero Token is ignored.
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

// DeleteToken makes the token invalid at once, as its deletion on the account page does. A
// token that is not there is no error.
func (p *Platform) DeleteToken(t credentials.Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tokens, keyOf(t))
}

// accountLocked returns the account, made if need be.
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
		return AccountID
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

// quote is v, a string or a map of strings, as JSON.
func quote(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}
