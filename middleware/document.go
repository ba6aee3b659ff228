package middleware

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// The documents follow draft-inadarei-api-health-check-06, with additional members in camelCase.
// Under "checks" the draft has arrays, even for one element; with several checkers they have one
// element each.
type (
	plainDocument struct {
		Status health.Status `json:"status"`
	}

	detailsDocument struct {
		Status health.Status `json:"status"`
		Output string        `json:"output,omitempty"`
		Checks checks        `json:"checks"`
	}

	checks struct {
		Credential []credentialCheck `json:"toloka:credential"`
		Account    []accountCheck    `json:"toloka:account,omitempty"`
		Balance    []observation     `json:"toloka:balance,omitempty"`
		Requester  []observation     `json:"toloka:requester,omitempty"`
		Breaker    []observation     `json:"toloka:circuit-breaker,omitempty"`
	}

	// component identifies a checker: its ID is the checker's name.
	component struct {
		ID   string `json:"componentId,omitempty"`
		Type string `json:"componentType"`
	}

	credentialCheck struct {
		component
		Status           health.Status   `json:"status"`
		Reason           health.Reason   `json:"reason"`
		Reasons          []health.Reason `json:"reasons"`
		Environment      string          `json:"environment,omitempty"`
		TokenSource      string          `json:"tokenSource,omitempty"`
		TokenFingerprint string          `json:"tokenFingerprint"`
		Time             time.Time       `json:"time,omitzero"`
		Output           string          `json:"output,omitempty"`
		Changes          []change        `json:"changes,omitempty"`
	}

	// change is a change of the primary reason.
	change struct {
		Time  time.Time     `json:"time"`
		From  health.Reason `json:"from"`
		To    health.Reason `json:"to"`
		Cause string        `json:"cause,omitempty"`
	}

	accountCheck struct {
		component
		ObservedValue string    `json:"observedValue"`
		PublicName    string    `json:"publicName,omitempty"`
		CompanyID     string    `json:"companyId,omitempty"`
		Time          time.Time `json:"time,omitzero"`
	}

	observation struct {
		component
		Status        *health.Status `json:"status,omitempty"`
		ObservedValue any            `json:"observedValue"`
		ObservedUnit  string         `json:"observedUnit,omitempty"`
		Time          time.Time      `json:"time,omitzero"`
	}
)

func newDetailsDocument(j judgement, snapshots []*health.Snapshot) detailsDocument {
	doc := detailsDocument{Status: j.status, Output: sentence(j)}
	for _, s := range snapshots {
		doc.Checks.add(s)
	}
	return doc
}

// sentence says what is wrong and what to do. The draft omits output for pass.
func sentence(j judgement) string {
	if j.status == health.StatusPass {
		return ""
	}
	text := advice(j.worst.Reason())
	if j.worst.State().Draining && j.worst.Reason() != health.ReasonClosed {
		text = "the service is shutting down and accepts no new requests"
	}
	if name := j.worst.State().Name; name != "" {
		return name + ": " + text
	}
	return text
}

func advice(r health.Reason) string { return r.Meaning() + "; " + r.Advice() }

// add adds the elements of one checker.
func (c *checks) add(s *health.Snapshot) {
	state := s.State()
	who := component{ID: state.Name, Type: "component"}
	c.addCredential(who, s)
	c.addAccount(who, s)
	if t := state.AnsweredAt; !t.IsZero() {
		c.Requester = append(c.Requester, observation{
			component: who,
			// Microseconds are precise enough for a network.
			ObservedValue: float64(state.Latency.Microseconds()) / 1000,
			ObservedUnit:  "ms",
			Time:          t.UTC(),
		})
	}
	if state.Breaker != "" {
		c.Breaker = append(c.Breaker, observation{component: who, ObservedValue: state.Breaker})
	}
}

func (c *checks) addCredential(who component, s *health.Snapshot) {
	state := s.State()
	check := credentialCheck{
		component:        who,
		Status:           s.Status(),
		Reason:           s.Reason(),
		Reasons:          state.Reasons,
		Environment:      state.Environment,
		TokenSource:      state.TokenSource,
		TokenFingerprint: s.TokenFingerprint(),
		Time:             state.Since.UTC(),
	}
	if s.Status() != health.StatusPass {
		check.Output = advice(s.Reason())
	}
	for _, last := range slices.Backward(state.History) {
		check.Changes = append(check.Changes,
			change{last.At.UTC(), last.From, last.To, errorText(last.Err)})
	}
	c.Credential = append(c.Credential, check)
}

// addAccount adds the account and its balance as last answered, whatever the status: they may be
// the very reason for it.
func (c *checks) addAccount(who component, s *health.Snapshot) {
	state := s.State()
	account := state.Account
	if account == nil {
		return
	}
	company, _ := account.Company()
	c.Account = append(c.Account, accountCheck{
		component:     who,
		ObservedValue: account.ID(),
		PublicName:    account.Name(),
		CompanyID:     company.ID,
		Time:          state.VerifiedAt.UTC(),
	})
	balance, ok := account.Balance()
	if !ok {
		return
	}
	status := health.StatusPass
	switch {
	case slices.Contains(state.Reasons, health.ReasonInsufficientBalance):
		status = health.StatusFail
	case slices.Contains(state.Reasons, health.ReasonLowBalance):
		status = health.StatusWarn
	}
	c.Balance = append(c.Balance, observation{
		component: who,
		Status:    &status,
		// A json.Number keeps the platform's digits; a float64 would round them.
		ObservedValue: json.Number(balance.String()),
		ObservedUnit:  "USD",
		Time:          state.VerifiedAt.UTC(),
	})
}
