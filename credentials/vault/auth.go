package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// serviceAccountToken is where Kubernetes puts a pod's token.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// AuthOption changes a login method.
type AuthOption func(*method)

// AtMount says where the auth method is mounted, without "auth/": "approle-eu". By default it
// is where 'vault auth enable' puts it: "approle", "jwt", "kubernetes".
func AtMount(path string) AuthOption {
	return func(m *method) { m.mount = path }
}

// Token is not a login: the Vault token is in src already, because somebody else has logged in.
// With [File] that is the sink of a Vault Agent. The source is read at every refresh, and once
// more when Vault has refused the token.
func Token(src Source) api.AuthMethod { return &givenToken{src} }

// AppRole logs in with a role id, which is no secret, and a secret id: one that the program
// has ([Value], [Env]), one in a file, or one that is response-wrapped ([Wrapped]).
//
// By default Vault locks a role for 15 minutes, for everybody who has it, after 5 logins with
// a wrong secret id. So one that was refused twice is not sent again for 16 minutes; another
// one is at once.
func AppRole(roleID string, secretID Source, opts ...AuthOption) api.AuthMethod {
	return &appRole{method: newMethod("approle", opts), roleID: roleID, secretID: secretID, turn: newTurn()}
}

// Kubernetes logs in with the pod's service account token, which Kubernetes renews and which
// is therefore read at every login, from
// /var/run/secrets/kubernetes.io/serviceaccount/token. For a token elsewhere, such as a
// projected one with Vault's audience, use [JWT] at this method's mount: the request is the
// same.
//
//	vault.JWT("toloka", vault.File("/var/run/secrets/vault/token"), vault.AtMount("kubernetes"))
func Kubernetes(role string, opts ...AuthOption) api.AuthMethod {
	return &bearer{method: newMethod("kubernetes", opts), role: role, jwt: File(serviceAccountToken)}
}

// JWT logs in with a JSON web token, which is read at every login.
func JWT(role string, jwt Source, opts ...AuthOption) api.AuthMethod {
	return &bearer{method: newMethod("jwt", opts), role: role, jwt: jwt}
}

// method is what the logins have in common.
type method struct{ mount string }

func newMethod(mount string, opts []AuthOption) method {
	m := method{mount: mount}
	for _, opt := range opts {
		if opt != nil {
			opt(&m)
		}
	}
	return m
}

func (m method) path() string { return "auth/" + m.mount + "/login" }

func (m method) check(idName, id string, src Source, mayWrap bool) error {
	problem := checkPath(m.mount)
	switch {
	case problem != "":
		return settingError("auth mount %q: %s", m.mount, problem)
	case id == "":
		return settingError("%s: the %s is empty", m.path(), idName)
	case src.read == nil:
		return settingError("%s: no source of the login's secret is given: use Value, Env or File", m.path())
	case src.wrapped && !mayWrap:
		return settingError("%s: only AppRole can use a Wrapped source", m.path())
	}
	return nil
}

type givenToken struct{ src Source }

// Login reads the source; it asks Vault nothing.
func (t *givenToken) Login(context.Context, *api.Client) (*api.Secret, error) {
	token, err := t.src.value()
	if err != nil {
		return nil, err
	}
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}, nil
}

func (t *givenToken) check() error {
	if t.src.wrapped {
		return settingError("only AppRole can use a Wrapped source")
	}
	if t.src.read == nil {
		return settingError("no source of the Vault token is given: use Value, Env or File")
	}
	return nil
}

type bearer struct {
	method
	role string
	jwt  Source
}

func (b *bearer) check() error { return b.method.check("role", b.role, b.jwt, false) }

// Login exchanges the JWT for a Vault token.
func (b *bearer) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	jwt, err := b.jwt.value()
	if err != nil {
		return nil, err
	}
	return logIn(ctx, client, b.path(), map[string]any{"role": b.role, "jwt": jwt}, jwt)
}

// logIn writes body to the login path; secrets are what its errors must not show.
func logIn(ctx context.Context, client *api.Client, path string, body map[string]any, secrets ...string) (*api.Secret, error) {
	answer, err := client.Logical().WriteWithContext(ctx, path, body)
	if err != nil {
		return nil, loginError(ctx, client, path, err, secrets...)
	}
	return answer, nil
}

// loginError puts a failed login into words.
func loginError(ctx context.Context, client *api.Client, path string, err error, secrets ...string) *Error {
	address := publicAddress(client)
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		return noAnswer(ctx, path, address, err, secrets...)
	}
	e := &Error{Path: path, Address: address, StatusCode: answer.StatusCode}
	quote := saysErr(err, secrets...)
	if answer.RawError || answer.Errors == nil {
		e.problem = notVault(answer.StatusCode)
		return e
	}
	e.problem, e.kind = loginProblem(answer.StatusCode)
	e.problem += quote
	return e
}

// loginProblem gives the kind and the words for a login that Vault answered with status.
func loginProblem(status int) (problem string, kind error) {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return fmt.Sprintf("login refused (%d): check that the auth method is mounted there, the role, and its secret", status), credentials.ErrInvalid
	}
	if problem = statusProblem(status); problem == "" {
		problem = fmt.Sprintf("answered %d", status)
	}
	return problem, nil
}

func saysErr(err error, secrets ...string) string {
	var answer *api.ResponseError
	if !errors.As(err, &answer) || answer.RawError {
		return ""
	}
	return says(answer.Errors, secrets...)
}

// secret keeps a value where no printer finds it: a func is the one kind of field that none
// looks into. The zero value holds "".
type secret struct{ value func() string }

func newSecret(v string) secret { return secret{func() string { return v }} }

func (s secret) open() string {
	if s.value == nil {
		return ""
	}
	return s.value()
}
