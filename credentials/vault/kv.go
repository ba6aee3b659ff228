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
)

// location is where in Vault the token is.
type location struct {
	kv      int // 1 or 2; 0 while nobody has said
	mount   string
	path    string
	field   string
	version int // 0: the latest
}

// reply is what every answer of Vault's API has of these.
type reply struct {
	RequestID string          `json:"request_id"`
	Errors    []string        `json:"errors"`
	Warnings  []string        `json:"warnings"`
	Data      json.RawMessage `json:"data"`
}

// genuine reports whether r looks like Vault's: that has a list of errors, if an empty one,
// or a request id.
func (r reply) genuine() bool { return r.Errors != nil || r.RequestID != "" }

// versioned is the data of a KV v2 reply. Of a deleted version it has metadata only.
type versioned struct {
	Data     map[string]json.RawMessage `json:"data"`
	Metadata *struct {
		Version      int    `json:"version"`
		DeletionTime string `json:"deletion_time"`
		Destroyed    bool   `json:"destroyed"`
	} `json:"metadata"`
}

// apiPath is the path of the read request without "/v1/", and what a policy has to name.
func (l location) apiPath() string {
	if l.kv == 2 {
		return l.mount + "/data/" + l.path
	}
	return l.mount + "/" + l.path
}

func (l location) describe() string {
	version := ""
	if l.version != 0 {
		version = "?version=" + strconv.Itoa(l.version)
	}
	return "vault:" + l.apiPath() + version + "#" + l.field
}

func (l location) check() error {
	switch {
	case l.kv == 0:
		return settingError("no secret is named: use KVv1(mount, path) or KVv2(mount, path)")
	case l.version < 0:
		return settingError("version %d: versions count from 1", l.version)
	case l.version != 0 && l.kv == 1:
		return settingError("KV v1 has no versions: use KVv2 or leave WithVersion out")
	case l.field == "":
		return settingError("the field's name is empty")
	}
	if problem := checkPath(l.mount); problem != "" {
		return settingError("mount %q: %s", l.mount, problem)
	}
	if problem := checkPath(l.path); problem != "" {
		return settingError("path %q: %s", l.path, problem)
	}
	return nil
}

// checkPath says what is wrong with a mount or a path. The Vault client would resolve ".."
// and thereby ask for another path than the one that the policy was written for.
func checkPath(p string) (problem string) {
	if p == "" {
		return "it is empty"
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "it has an empty segment, or one that is only dots"
		}
	}
	if strings.IndexFunc(p, func(r rune) bool { return printable(r) != r }) >= 0 {
		return "it has an unprintable character"
	}
	return ""
}

// verdict is what an answer says about the Vault token that was sent.
type verdict int

const (
	unknown  verdict = iota // Vault has not looked at it
	accepted                // it may read here, whatever there is to read
	refused                 // 403
)

// read asks Vault once.
func (l location) read(ctx context.Context, client *api.Client) (credentials.Token, verdict, error) {
	var query map[string][]string
	if l.version != 0 {
		query = map[string][]string{"version": {strconv.Itoa(l.version)}}
	}
	resp, err := client.Logical().ReadRawWithDataWithContext(ctx, l.apiPath(), query)
	status, body, err := wholeAnswer(resp, err)
	if err != nil {
		return credentials.Token{}, unknown, noAnswer(ctx, l.apiPath(), publicAddress(client), err, client.Token())
	}
	fields, problem := l.interpret(status, body, client.Token())
	var token credentials.Token
	if problem == nil {
		token, problem = l.token(fields)
	}
	if problem == nil {
		return token, accepted, nil
	}
	problem.Path, problem.Address, problem.StatusCode = l.apiPath(), publicAddress(client), status
	switch {
	case problem.kind == nil:
		return credentials.Token{}, unknown, problem
	case status == http.StatusForbidden:
		return credentials.Token{}, refused, problem
	}
	return credentials.Token{}, accepted, problem
}

// wholeAnswer reads what the raw calls of the Vault client return: an answer above 399 comes
// together with an error, and with its body read.
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

// interpret returns the secret's fields, or what the answer says instead.
func (l location) interpret(status int, body []byte, vaultToken string) (map[string]json.RawMessage, *Error) {
	var r reply
	if json.Unmarshal(body, &r) != nil || !r.genuine() {
		return nil, &Error{problem: notVault(status)}
	}
	quote := says(r.Errors, vaultToken)
	switch {
	case status == http.StatusOK:
		return l.fields(r)
	case status == http.StatusForbidden && vaultToken == "":
		return nil, &Error{problem: "permission denied: no Vault token was sent: set VAULT_TOKEN or use WithAuth" + quote, kind: credentials.ErrInvalid}
	case status == http.StatusForbidden:
		return nil, &Error{problem: "permission denied: policy needs read on " + l.apiPath() + ", or the Vault token is expired or revoked" + quote, kind: credentials.ErrInvalid}
	case status == http.StatusNotFound:
		return nil, l.missing(r, quote)
	}
	if problem := statusProblem(status); problem != "" {
		return nil, &Error{problem: problem + quote}
	}
	return nil, &Error{problem: fmt.Sprintf("answered %d", status) + quote}
}

// missing says why a 404 is one: Vault uses it for five things.
func (l location) missing(r reply, quote string) *Error {
	var v versioned
	_ = json.Unmarshal(r.Data, &v)
	switch {
	case len(r.Errors) > 0:
		return &Error{problem: "no secrets engine is mounted at " + l.mount + "/ in this namespace" + quote, kind: credentials.ErrInvalid}
	case l.kv == 1 && len(r.Warnings) > 0:
		return &Error{problem: fmt.Sprintf("KV v1 path on a v2 mount: use KVv2(%q, %q), or set %s=2", l.mount, l.path, envKV), kind: credentials.ErrInvalid}
	case v.Metadata != nil && v.Metadata.Destroyed:
		return &Error{problem: fmt.Sprintf("version %d destroyed: write the token anew", v.Metadata.Version), kind: credentials.ErrNotFound}
	case v.Metadata != nil:
		return &Error{problem: fmt.Sprintf("version %d deleted: undelete it, or write the token anew", v.Metadata.Version), kind: credentials.ErrNotFound}
	case l.version != 0:
		return &Error{problem: fmt.Sprintf("no such secret, or no version %d of it", l.version), kind: credentials.ErrNotFound}
	case l.kv == 2:
		return &Error{problem: fmt.Sprintf("no such secret: write it with 'vault kv put -mount=%s %s %s=-', or use KVv1 if the mount is KV v1", l.mount, l.path, l.field), kind: credentials.ErrNotFound}
	}
	return &Error{problem: fmt.Sprintf("no such secret: write it with 'vault kv put -mount=%s %s %s=-'", l.mount, l.path, l.field), kind: credentials.ErrNotFound}
}

// fields unpacks a 200.
func (l location) fields(r reply) (map[string]json.RawMessage, *Error) {
	if l.kv == 1 {
		var data map[string]json.RawMessage
		if json.Unmarshal(r.Data, &data) != nil || data == nil {
			return nil, &Error{problem: "answered 200 without a secret: is something other than KV mounted there?", kind: credentials.ErrInvalid}
		}
		return data, nil
	}
	var v versioned
	if json.Unmarshal(r.Data, &v) != nil || v.Metadata == nil || v.Data == nil {
		return nil, &Error{problem: fmt.Sprintf("answered 200 without a versioned secret: if %s/ is KV v1, use KVv1 or set %s=1", l.mount, envKV), kind: credentials.ErrInvalid}
	}
	return v.Data, nil
}

// token takes the token out of the secret.
func (l location) token(fields map[string]json.RawMessage) (credentials.Token, *Error) {
	raw, ok := fields[l.field]
	if !ok {
		return credentials.Token{}, &Error{
			problem: fmt.Sprintf("no field %q; fields: %s (choose with WithField or %s)", l.field, names(fields), envField),
			kind:    credentials.ErrInvalid,
		}
	}
	var value *string
	if json.Unmarshal(raw, &value) != nil || value == nil {
		return credentials.Token{}, &Error{problem: fmt.Sprintf("field %q is not a string", l.field), kind: credentials.ErrInvalid}
	}
	token, err := credentials.ParseToken(*value)
	if err != nil {
		detail := strings.TrimPrefix(err.Error(), "credentials: ")
		return credentials.Token{}, &Error{problem: fmt.Sprintf("field %q: %s", l.field, detail), kind: credentials.ErrInvalid}
	}
	return token, nil
}

// Bounds of what an error says about a secret: a name that is very long may be a value that
// somebody has written in the wrong place.
const (
	maxNames   = 10
	maxNameLen = 40
)

// names lists the fields' names.
func names(fields map[string]json.RawMessage) string {
	if len(fields) == 0 {
		return "none"
	}
	list := slices.Sorted(maps.Keys(fields))
	more := ""
	if n := len(list) - maxNames; n > 0 {
		list, more = list[:maxNames], fmt.Sprintf(" and %d more", n)
	}
	for i, name := range list {
		if len(name) > maxNameLen {
			name = fmt.Sprintf("(a name of %d characters)", len(name))
		}
		list[i] = strings.Map(printable, name)
	}
	return strings.Join(list, ", ") + more
}
