package health

import (
	"fmt"
	"time"

	"github.com/govalues/decimal"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// rules are the options that decide about a token.
type rules struct {
	name                  string // the checker's, for errors
	maxStale              time.Duration
	rejectionThreshold    int
	recheck               time.Duration
	expectAccount         string
	expectCompany         string
	allowAccountChange    bool
	minBalance            decimal.NullDecimal
	lowBalanceFails       bool
	readyWhileUnreachable bool
}

// misfit returns why the account of a token is not the expected or the pinned one, nil if it is.
func (r *rules) misfit(t credentials.Token, a *requester.Account, pinned string) error {
	company, _ := a.Company()
	switch {
	case r.expectAccount != "" && a.ID() != r.expectAccount:
		return fmt.Errorf("%s belongs to account %s, expected is account %s",
			named(t), a.ID(), r.expectAccount)
	case r.expectCompany != "" && company.ID != r.expectCompany:
		return fmt.Errorf("%s belongs to account %s of %s, expected is company %s",
			named(t), a.ID(), companyName(company), r.expectCompany)
	case !r.allowAccountChange && pinned != "" && a.ID() != pinned:
		return fmt.Errorf("%s belongs to account %s, this service was verified as account %s",
			named(t), a.ID(), pinned)
	}
	return nil
}

// named returns what an operator can compare with the list of tokens on the account page.
func named(t credentials.Token) string {
	if f := t.Fingerprint(); f != "hidden" {
		return "the token " + f
	}
	return "the token" // too short for a fingerprint
}

func companyName(c requester.Company) string {
	if c.ID == "" {
		return "no company"
	}
	return "company " + c.ID
}

// lowBalance returns how low the balance of the account is, nil if it is high enough or unknown.
func (r *rules) lowBalance(a *requester.Account) error {
	if !r.minBalance.Valid || a == nil {
		return nil
	}
	balance, ok := a.Balance()
	if !ok || balance.Cmp(r.minBalance.Decimal) >= 0 {
		return nil
	}
	return fmt.Errorf("the balance is %s USD, the minimum is %s USD", balance, r.minBalance.Decimal)
}
