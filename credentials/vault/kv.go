package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/names"
)

// location is where the token is in Vault.
type location struct {
	kv      int // 1 or 2; 0 if not set
	mount   string
	path    string
	field   string
	version int // 0: the latest
}

// place is a mount or path and the setting it comes from.
type place struct{ setting, value string }

// reply has the members of every response of Vault's API that matter here.
type reply struct {
	RequestID string          `json:"request_id"`
	Errors    []string        `json:"errors"`
	Warnings  []string        `json:"warnings"`
	Data      json.RawMessage `json:"data"`
}

// versioned is the data of a KV v2 reply. A deleted version has only metadata.
type versioned struct {
	Data     map[string]json.RawMessage `json:"data"`
	Metadata *struct {
		Version      int    `json:"version"`
		DeletionTime string `json:"deletion_time"`
		Destroyed    bool   `json:"destroyed"`
	} `json:"metadata"`
}

// verdict is what a response says about the Vault token that was sent.
type verdict int

const (
	unknown  verdict = iota // Vault has not checked it
	accepted                // it may read here, whether or not there is a secret
	refused                 // 403
)

func (l *location) set(kv int, mount, path place) error {
	for _, p := range []*place{&mount, &path} {
		p.value = strings.Trim(p.value, "/")
		if problem := checkPath(p.value); problem != "" {
			return settingError("%s %s: %s", p.setting, quoted(names.Path(p.value)), problem)
		}
	}
	l.kv, l.mount, l.path = kv, mount.value, path.value
	return nil
}

func (l location) check() error {
	switch {
	case l.kv == 0:
		return settingError("no secret is set: use KVv1(mount, path) or KVv2(mount, path)")
	case l.version != 0 && l.kv == 1:
		return settingError("KV v1 has no versions: use KVv2, or leave WithVersion out")
	}
	return nil
}

// checkPath returns what is wrong with a mount or path, or "". The Vault client would resolve ".."
// and read a different path than the policy names.
func checkPath(p string) (problem string) {
	if p == "" {
		return "it is empty"
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "it has a segment that is empty or only dots"
		}
	}
	if strings.IndexFunc(p, func(r rune) bool { return printable(r) != r }) >= 0 {
		return "it has an unprintable character"
	}
	return ""
}

// apiPath is the path of the read request without "/v1/". It must not be shown: see shownPath.
func (l location) apiPath() string { return kvPath(l.kv, l.mount, l.path) }

// shownPath is apiPath for texts: what a policy has to name, unless a part is hidden.
func (l location) shownPath() string {
	return kvPath(l.kv, names.Field(l.mount).Text, names.Path(l.path).Text)
}

func kvPath(kv int, mount, path string) string {
	if kv == 2 {
		return mount + "/data/" + path
	}
	return mount + "/" + path
}

func (l location) describe() string {
	version := ""
	if l.version != 0 {
		version = "?version=" + strconv.Itoa(l.version)
	}
	return "vault:" + l.shownPath() + version + "#" + names.Field(l.field).Text
}

// read sends one request.
func (l location) read(
	ctx context.Context, client *api.Client,
) (credentials.Token, verdict, error) {
	var query map[string][]string
	if l.version != 0 {
		query = map[string][]string{"version": {strconv.Itoa(l.version)}}
	}
	resp, err := client.Logical().ReadRawWithDataWithContext(ctx, l.apiPath(), query)
	status, body, err := wholeAnswer(resp, err)
	if err != nil {
		failure := noAnswer(ctx, l.shownPath(), publicAddress(client), err, client.Token())
		return credentials.Token{}, unknown, failure
	}
	fields, problem := l.interpret(status, body, client.Token())
	var token credentials.Token
	if problem == nil {
		token, problem = l.token(fields)
	}
	if problem == nil {
		return token, accepted, nil
	}
	problem.path, problem.address, problem.status = l.shownPath(), publicAddress(client), status
	problem.explainHidden(fieldNamed("mount", l.mount), pathNamed("path", l.path),
		fieldNamed("field", l.field), pathNamed("namespace", client.Namespace()))
	switch {
	case problem.kind == nil:
		return credentials.Token{}, unknown, problem
	case status == http.StatusForbidden:
		return credentials.Token{}, refused, problem
	}
	return credentials.Token{}, accepted, problem
}

// wholeAnswer reads the result of a raw call of the Vault client. A response with a status above
// 399 comes together with an error.
func wholeAnswer(resp *api.Response, err error) (status int, body []byte, _ error) {
	if resp == nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var refusal *api.ResponseError
	if err != nil && !errors.As(err, &refusal) {
		return 0, nil, err
	}
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// interpret returns the fields of the secret, or why there are none.
func (l location) interpret(
	status int, body []byte, vaultToken string,
) (map[string]json.RawMessage, *vaultError) {
	var r reply
	if json.Unmarshal(body, &r) != nil || !r.genuine() {
		return nil, &vaultError{problem: notVault(status)}
	}
	if status == http.StatusOK {
		return l.fields(r)
	}
	e := &vaultError{quote: says(r.Errors, vaultToken)}
	switch {
	case status == http.StatusForbidden && vaultToken == "":
		e.kind = credentials.ErrInvalid
		e.problem = "permission denied: no Vault token was sent: set VAULT_TOKEN or use WithAuth"
	case status == http.StatusForbidden:
		e.kind = credentials.ErrInvalid
		e.problem = "permission denied: policy needs read on " + l.shownPath() +
			", or the Vault token is expired or revoked"
	case status == http.StatusNotFound:
		e.problem, e.kind = l.missing(r)
	default:
		if e.problem = statusProblem(status); e.problem == "" {
			e.problem = fmt.Sprintf("answered %d", status)
		}
	}
	return nil, e
}

// genuine reports whether r looks like Vault's: it has a list of errors, even an empty one, or
// a request id.
func (r reply) genuine() bool { return r.Errors != nil || r.RequestID != "" }

// missing returns the problem and kind of a 404, which Vault uses for five cases.
func (l location) missing(r reply) (problem string, kind error) {
	var v versioned
	_ = json.Unmarshal(r.Data, &v)
	mount, path := names.Field(l.mount), names.Path(l.path)
	switch {
	case len(r.Errors) > 0:
		problem = "no secrets engine is mounted at " + mount.Text + "/ in this namespace"
		return problem, credentials.ErrInvalid
	case l.kv == 1 && len(r.Warnings) > 0:
		return fmt.Sprintf("KV v1 path on a v2 mount: use KVv2(%s, %s), or set %s=2",
			quoted(mount), quoted(path), envKV), credentials.ErrInvalid
	case v.Metadata != nil && v.Metadata.Destroyed:
		problem = fmt.Sprintf("version %d destroyed: write the token again", v.Metadata.Version)
	case v.Metadata != nil:
		problem = fmt.Sprintf("version %d deleted: undelete it, or write the token again",
			v.Metadata.Version)
	case l.version != 0:
		problem = fmt.Sprintf("no such secret, or no version %d of it", l.version)
	default:
		problem = fmt.Sprintf("no such secret: write it with 'vault kv put -mount=%s %s %s=-'",
			word(mount), word(path), word(names.Field(l.field)))
		if l.kv == 2 {
			problem += ", or use KVv1 if the mount is KV v1"
		}
	}
	return problem, credentials.ErrNotFound
}

// fields returns the fields in a response with status 200.
func (l location) fields(r reply) (map[string]json.RawMessage, *vaultError) {
	if l.kv == 1 {
		var data map[string]json.RawMessage
		if json.Unmarshal(r.Data, &data) != nil || data == nil {
			return nil, &vaultError{
				problem: "answered 200 without a secret: check that a KV engine is mounted there",
				kind:    credentials.ErrInvalid,
			}
		}
		return data, nil
	}
	var v versioned
	if json.Unmarshal(r.Data, &v) != nil || v.Metadata == nil || v.Data == nil {
		return nil, &vaultError{
			problem: fmt.Sprintf(
				"answered 200 without a versioned secret: if %s/ is KV v1, use KVv1 or set %s=1",
				names.Field(l.mount).Text, envKV),
			kind: credentials.ErrInvalid,
		}
	}
	return v.Data, nil
}

// token returns the token in the secret.
func (l location) token(fields map[string]json.RawMessage) (credentials.Token, *vaultError) {
	invalid := func(problem string) (credentials.Token, *vaultError) {
		return credentials.Token{}, &vaultError{problem: problem, kind: credentials.ErrInvalid}
	}
	name := quoted(names.Field(l.field))
	raw, ok := fields[l.field]
	if !ok {
		return invalid(fmt.Sprintf("no field %s; fields: %s (choose with WithField or %s)",
			name, listed(fields), envField))
	}
	var value *string
	if json.Unmarshal(raw, &value) != nil || value == nil {
		return invalid("field " + name + " is not a string")
	}
	token, err := credentials.ParseToken(*value)
	if err != nil {
		return invalid("field " + name + ": " + strings.TrimPrefix(err.Error(), "credentials: "))
	}
	return token, nil
}

// maxListed is the number of field names that an error lists.
const maxListed = 10

// listed returns the names of the fields.
func listed(fields map[string]json.RawMessage) string {
	if len(fields) == 0 {
		return "none"
	}
	list := slices.Sorted(maps.Keys(fields))
	more := ""
	if n := len(list) - maxListed; n > 0 {
		list, more = list[:maxListed], fmt.Sprintf(" and %d more", n)
	}
	for i, name := range list {
		shown := names.Field(name)
		if list[i] = shown.Text; shown.Problem != "" {
			list[i] = "(hidden: it " + shown.Problem + ")"
		}
	}
	return strings.Join(list, ", ") + more
}
