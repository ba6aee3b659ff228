package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/names"
	"github.com/tolokacheck/tolokacheck/internal/secrettext"
)

const (
	lookupPath = "sys/wrapping/lookup"
	unwrapPath = "sys/wrapping/unwrap"
)

// Vault's user lockout counts refused logins of a role that are less than 15 minutes apart, and
// locks the role at the fifth. A process uses two of them and leaves the others to other
// processes. The second one is for a secret id that is not yet replicated to the Vault node.
const (
	maxRefusals   = 2
	refusalsReset = 16 * time.Minute
)

type appRole struct {
	method
	roleID   string
	secretID Source

	turn      turn   // guards the following fields; held during a login
	wrapping  secret // the wrapping token that was unwrapped last
	unwrapped secret // the secret id that was in it
	refusals  refusals
}

func (a *appRole) check() error { return a.method.check("role id", a.roleID, a.secretID, true) }

// Login exchanges the role id and the secret id for a Vault token.
func (a *appRole) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
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
	body := map[string]any{"role_id": a.roleID, "secret_id": id}
	answer, err := client.Logical().WriteWithContext(ctx, a.apiPath(), body)
	if err == nil {
		a.refusals = refusals{}
		return answer, nil
	}
	role, secrets := fieldNamed("role id", a.roleID), []string{id}
	if secrettext.IsUUID(a.roleID) {
		// Vault issues role ids and secret ids as UUIDs, and the two may be mixed up.
		role, secrets = setting{}, append(secrets, a.roleID)
	}
	failure := a.failure(ctx, client, err, role, secrets...)
	a.refusals.note(id, failure)
	return nil, failure
}

func (a *appRole) currentSecretID(ctx context.Context, client *api.Client) (string, error) {
	value, err := a.secretID.read(ctx)
	if !a.secretID.wrapped {
		return value, err
	}
	if err != nil {
		// The program that wrote the wrapping token may remove it after the first login.
		if held := a.unwrapped.open(); held != "" {
			return held, nil
		}
		return "", err
	}
	return a.unwrap(ctx, client, value)
}

// unwrap exchanges a wrapping token for the secret id. Vault does that once for each token.
func (a *appRole) unwrap(ctx context.Context, client *api.Client, wrapping string) (string, error) {
	if a.wrapping.open() == wrapping {
		return a.unwrapped.open(), nil
	}
	own := client.WithNamespace(client.Namespace()) // a copy: the caller's keeps its token
	own.ClearToken()
	if err := a.lookUp(ctx, own, wrapping); err != nil {
		return "", err
	}
	own.SetToken(wrapping)
	answer, err := own.Logical().WriteWithContext(ctx, unwrapPath, nil)
	if err != nil {
		return "", wrappingError(ctx, client, unwrapPath, err, wrapping)
	}
	id := field(answer, "secret_id")
	if id == "" {
		return "", &vaultError{
			path: unwrapPath, address: publicAddress(client), status: http.StatusOK,
			kind: credentials.ErrInvalid,
			problem: "the wrapping token holds no secret id: wrap the response of " +
				a.creationPath(),
		}
	}
	a.wrapping, a.unwrapped = newSecret(wrapping), newSecret(id)
	return id, nil
}

// lookUp returns an error unless the wrapping token was created by the endpoint that issues secret
// ids. An attacker who intercepts a wrapping token and unwraps it has to replace it, and can only
// do that with one that was created elsewhere. The role is not compared: its name is unknown
// here, and a login with the role id and another role's secret id fails. A lookup does not use
// up the token.
func (a *appRole) lookUp(ctx context.Context, client *api.Client, wrapping string) error {
	answer, err := client.Logical().WriteWithContext(ctx, lookupPath,
		map[string]any{"token": wrapping})
	if err != nil {
		return wrappingError(ctx, client, lookupPath, err, wrapping)
	}
	created := field(answer, "creation_path")
	if a.issuesSecretIDs(created) {
		return nil
	}
	by := "an unknown request"
	if created != "" {
		by = word(names.Path(redact(created, []string{wrapping})))
	}
	return &vaultError{
		path: lookupPath, address: publicAddress(client), status: http.StatusOK,
		kind: credentials.ErrInvalid,
		problem: "the wrapping token was created by " + by + ", not by " + a.creationPath() +
			": it may have been intercepted and replaced. It was not unwrapped. " +
			"Check how it was delivered and the mount of the auth method, and issue a new one",
	}
}

// issuesSecretIDs reports whether path is auth/MOUNT/role/ROLE/secret-id.
func (a *appRole) issuesSecretIDs(path string) bool {
	role, ok := strings.CutPrefix(path, "auth/"+a.mount+"/role/")
	if !ok {
		return false
	}
	role, ok = strings.CutSuffix(role, "/secret-id")
	return ok && role != "" && !strings.Contains(role, "/")
}

// creationPath is the endpoint that issues secret ids, for texts.
func (a *appRole) creationPath() string {
	return "auth/" + names.Field(a.mount).Text + "/role/ROLE/secret-id"
}

// wrappingError explains why a wrapping token could not be looked up or unwrapped.
func wrappingError(
	ctx context.Context, client *api.Client, path string, err error, wrapping string,
) *vaultError {
	e := requestError(ctx, client, path, err, wrapping)
	switch {
	case e.kind == nil: // transient
	case e.status == http.StatusBadRequest:
		e.problem = "the wrapping token is expired or was already used: if you did not unwrap " +
			"it, someone else has the secret id; revoke the secret id and issue a new one"
	default:
		e.problem = fmt.Sprintf("the wrapping token was refused (%d): check the namespace",
			e.status)
	}
	return e
}

// field returns a text in the data of an answer, "" without one.
func field(answer *api.Secret, name string) string {
	if answer == nil {
		return ""
	}
	text, _ := answer.Data[name].(string)
	return text
}

// refusals keeps a refused secret id from locking the role for all its users.
type refusals struct {
	id    secret
	count int
	until time.Time
	last  vaultError
}

// hold returns an error while id must not be sent.
func (r *refusals) hold(id string) error {
	wait := time.Until(r.until)
	if id != r.id.open() || r.count < maxRefusals || wait <= 0 {
		return nil
	}
	e := r.last
	e.unasked = true
	e.note = fmt.Sprintf(
		" (not sent again for %s unless it changes: Vault locks a role after 5 refusals)",
		wait.Round(time.Second))
	return &e
}

// note records a failed login with id.
func (r *refusals) note(id string, e *vaultError) {
	refused := e.status == http.StatusBadRequest || e.status == http.StatusForbidden
	if !refused || !errors.Is(e, credentials.ErrInvalid) {
		return
	}
	if id != r.id.open() {
		*r = refusals{id: newSecret(id)}
	}
	r.count++
	r.until, r.last = time.Now().Add(refusalsReset), *e
}
