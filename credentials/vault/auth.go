package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/names"
)

// serviceAccountToken is where Kubernetes mounts a pod's token.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// AuthOption configures a login method. An AuthOption that is nil or invalid makes the method
// invalid: [New] and [FromEnv] return its error, and so does Login.
type AuthOption func(*method) error

// AtMount sets the mount of the auth method, without "auth/": "approle-eu". The default is
// that of 'vault auth enable': "approle", "jwt" or "kubernetes".
func AtMount(path string) AuthOption {
	return func(m *method) error {
		if problem := checkPath(path); problem != "" {
			return settingError("auth mount %s: %s", quoted(names.Field(path)), problem)
		}
		m.mount = path
		return nil
	}
}

// Token uses the Vault token in src instead of a login. With [File] that is the sink of a
// Vault Agent. The source is read for every call of [Provider.Token], and once more if Vault
// refuses the token.
func Token(src Source) api.AuthMethod { return &givenToken{src} }

// AppRole logs in with a role id and a secret id, which may be response-wrapped: see
// [Wrapped].
//
// A wrapping token is looked up before it is unwrapped. If Vault did not create it at
// auth/MOUNT/role/ROLE/secret-id, it may have been intercepted and replaced: the login fails,
// and the token is not unwrapped.
//
// By default Vault locks a role for all its users for 15 minutes after 5 logins with a wrong
// secret id. So a secret id that was refused twice is not sent again for 16 minutes; a
// different one is sent immediately.
func AppRole(roleID string, secretID Source, opts ...AuthOption) api.AuthMethod {
	return &appRole{
		method: newMethod("approle", opts), roleID: roleID, secretID: secretID, turn: newTurn(),
	}
}

// Kubernetes logs in with the pod's service account token, which Kubernetes rotates. It is
// read from /var/run/secrets/kubernetes.io/serviceaccount/token at every login. For a token
// elsewhere, such as a projected one with Vault's audience, use [JWT] at this mount:
//
//	vault.JWT("toloka", vault.File("/var/run/secrets/vault/token"), vault.AtMount("kubernetes"))
func Kubernetes(role string, opts ...AuthOption) api.AuthMethod {
	return &bearer{
		method: newMethod("kubernetes", opts), role: role, jwt: File(serviceAccountToken),
	}
}

// JWT logs in with a JSON web token, which is read at every login.
func JWT(role string, jwt Source, opts ...AuthOption) api.AuthMethod {
	return &bearer{method: newMethod("jwt", opts), role: role, jwt: jwt}
}

// method is what the logins have in common.
type method struct {
	mount string
	err   error // of an option
}

func newMethod(mount string, opts []AuthOption) method {
	m := method{mount: mount}
	for _, opt := range opts {
		if opt == nil {
			m.err = settingError("%s: an AuthOption is nil", m.path())
		} else {
			m.err = opt(&m)
		}
		if m.err != nil {
			break
		}
	}
	return m
}

// path names the login in texts, with a mount that may be hidden.
func (m method) path() string { return "auth/" + names.Field(m.mount).Text + "/login" }

func (m method) apiPath() string { return "auth/" + m.mount + "/login" }

func (m method) check(idName, id string, src Source, mayWrap bool) error {
	switch {
	case m.err != nil:
		return m.err
	case id == "":
		return settingError("%s: the %s is empty", m.path(), idName)
	case src.read == nil:
		return settingError("%s: the login's secret has no source: use Value, Env or File",
			m.path())
	case src.wrapped && !mayWrap:
		return settingError("%s: only AppRole can use a Wrapped source", m.path())
	}
	return nil
}

type givenToken struct{ src Source }

// Login reads the source. It sends no request.
func (t *givenToken) Login(ctx context.Context, _ *api.Client) (*api.Secret, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	token, err := t.src.read(ctx)
	if err != nil {
		return nil, err
	}
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}, nil
}

func (t *givenToken) check() error {
	switch {
	case t.src.wrapped:
		return settingError("only AppRole can use a Wrapped source")
	case t.src.read == nil:
		return settingError("the Vault token has no source: use Value, Env or File")
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
	if err := b.check(); err != nil {
		return nil, err
	}
	jwt, err := b.jwt.read(ctx)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"role": b.role, "jwt": jwt}
	answer, err := client.Logical().WriteWithContext(ctx, b.apiPath(), body)
	if err != nil {
		return nil, b.failure(ctx, client, err, fieldNamed("role", b.role), jwt)
	}
	return answer, nil
}

// failure explains a failed login.
func (m method) failure(
	ctx context.Context, client *api.Client, err error, role setting, secrets ...string,
) *vaultError {
	e := requestError(ctx, client, m.path(), err, secrets...)
	if e.status != 0 {
		e.explainHidden(fieldNamed("mount", m.mount), role,
			pathNamed("namespace", client.Namespace()))
	}
	return e
}

// requestError explains a failed request of a login; secrets are redacted.
func requestError(
	ctx context.Context, client *api.Client, path string, err error, secrets ...string,
) *vaultError {
	address := publicAddress(client)
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		return noAnswer(ctx, path, address, err, secrets...)
	}
	e := &vaultError{path: path, address: address, status: answer.StatusCode}
	if answer.RawError || answer.Errors == nil {
		e.problem = notVault(answer.StatusCode)
		return e
	}
	e.problem, e.kind = loginProblem(answer.StatusCode)
	e.quote = says(answer.Errors, secrets...)
	return e
}

// loginProblem returns the problem and the kind of a login that Vault answered with status.
func loginProblem(status int) (problem string, kind error) {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		problem = fmt.Sprintf("login refused (%d): "+
			"check the mount of the auth method, the role and its secret", status)
		return problem, credentials.ErrInvalid
	}
	if problem = statusProblem(status); problem == "" {
		problem = fmt.Sprintf("answered %d", status)
	}
	return problem, nil
}

// secret keeps a value where printing does not show it: fmt, encoding and reflection-based
// printers do not look into a func. The zero value holds "".
type secret struct{ value func() string }

func newSecret(v string) secret { return secret{func() string { return v }} }

func (s secret) open() string {
	if s.value == nil {
		return ""
	}
	return s.value()
}
