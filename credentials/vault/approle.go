package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
)

const unwrapPath = "sys/wrapping/unwrap"

type appRole struct {
	method
	roleID   string
	secretID Source

	turn      turn   // over everything below; held during a login
	wrapping  secret // the wrapping token that was unwrapped last
	unwrapped secret // the secret id that was in it
	refusals  refusals
}

func (a *appRole) check() error { return a.method.check("role id", a.roleID, a.secretID, true) }

// Login exchanges role id and secret id for a Vault token.
func (a *appRole) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	if err := a.turn.enter(ctx); err != nil {
		return nil, noAnswer(ctx, a.path(), publicAddress(client), err)
	}
	defer a.turn.leave()
	id, err := a.currentSecretID(ctx, client)
	if err != nil {
		return nil, err
	}
	if err := a.refusals.hold(id); err != nil {
		return nil, err
	}
	answer, err := logIn(ctx, client, a.path(), map[string]any{"role_id": a.roleID, "secret_id": id}, id)
	a.refusals.note(id, err)
	return answer, err
}

func (a *appRole) currentSecretID(ctx context.Context, client *api.Client) (string, error) {
	value, err := a.secretID.value()
	if !a.secretID.wrapped {
		return value, err
	}
	if err != nil {
		// What put the wrapping token there may take it away: it has done its work.
		if held := a.unwrapped.open(); held != "" {
			return held, nil
		}
		return "", err
	}
	return a.unwrap(ctx, client, value)
}

// unwrap exchanges a wrapping token for the secret id, which Vault does once for each.
func (a *appRole) unwrap(ctx context.Context, client *api.Client, wrapping string) (string, error) {
	if a.wrapping.open() == wrapping {
		return a.unwrapped.open(), nil
	}
	own := client.WithNamespace(client.Namespace()) // a copy: the caller's keeps its token
	own.SetToken(wrapping)
	answer, err := own.Logical().WriteWithContext(ctx, unwrapPath, nil)
	if responseStatus(err) == http.StatusBadRequest {
		return "", &Error{
			Path: unwrapPath, Address: publicAddress(client), StatusCode: http.StatusBadRequest, kind: credentials.ErrInvalid,
			problem: "the wrapping token is expired or has been used: if nobody of yours has unwrapped it, somebody else holds the secret id; revoke it and issue a new one" + saysErr(err, wrapping),
		}
	}
	if err != nil {
		return "", loginError(ctx, client, unwrapPath, err, wrapping)
	}
	var id string
	if answer != nil {
		id, _ = answer.Data["secret_id"].(string)
	}
	if id == "" {
		return "", &Error{
			Path: unwrapPath, Address: publicAddress(client), StatusCode: http.StatusOK, kind: credentials.ErrInvalid,
			problem: "there is no secret id in the wrapping token: wrap the answer of auth/" + a.mount + "/role/…/secret-id",
		}
	}
	a.wrapping, a.unwrapped = newSecret(wrapping), newSecret(id)
	return id, nil
}

// Vault's user lockout counts the refused logins of a role that are less than 15 minutes
// apart, and locks it at the fifth. Two by one process leave some to the others; the second
// one is for a secret id that has not reached the node yet.
const (
	maxRefusals   = 2
	refusalsReset = 16 * time.Minute
)

// refusals keeps a secret id that Vault does not take from locking the role for everybody.
type refusals struct {
	id    secret
	count int
	until time.Time
	last  Error
}

// hold returns an error as long as id must not be sent.
func (r *refusals) hold(id string) error {
	wait := time.Until(r.until)
	if id != r.id.open() || r.count < maxRefusals || wait <= 0 {
		return nil
	}
	e := r.last
	e.unasked = true
	e.problem += fmt.Sprintf(" (not sent again for %s unless it changes: Vault locks a role after 5 refusals)", wait.Round(time.Second))
	return &e
}

// note remembers how a login with id ended.
func (r *refusals) note(id string, err error) {
	if err == nil {
		*r = refusals{}
		return
	}
	var e *Error
	if !errors.As(err, &e) || e.kind == nil || (e.StatusCode != http.StatusBadRequest && e.StatusCode != http.StatusForbidden) {
		return
	}
	if id != r.id.open() {
		*r = refusals{id: newSecret(id)}
	}
	r.count++
	r.until, r.last = time.Now().Add(refusalsReset), *e
}
