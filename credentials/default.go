package credentials

import (
	"context"
	"os"
	"path/filepath"
	"sync"
)

// The places that [Default] looks at.
const (
	tokenVariable       = "TOLOKA_TOKEN"
	fileVariable        = "TOLOKA_TOKEN_FILE"
	credentialsVariable = "CREDENTIALS_DIRECTORY" // systemd: LoadCredential=toloka-token:…
	secretsDirectory    = "/run/secrets"          // Docker and Podman
	secretName          = "toloka-token"
)

// Default returns the [Provider] for services that are configured by their environment. It is
// a [Chain] of
//
//  1. the environment variable TOLOKA_TOKEN, the token itself;
//  2. TOLOKA_TOKEN_FILE, the path of a file that holds it;
//  3. the systemd credential toloka-token ($CREDENTIALS_DIRECTORY/toloka-token);
//  4. the Docker secret toloka-token (/run/secrets/toloka-token).
//
// TOLOKA_TOKEN and TOLOKA_TOKEN_FILE both set is an error that wraps [ErrInvalid], because one of
// them is stale and it is unclear which. The variables are read at each call of Token. The
// options apply to every file. If there is no token anywhere the error lists all the places.
func Default(opts ...FileOption) Provider {
	return newDefault(os.LookupEnv, secretsDirectory, opts)
}

type defaults struct {
	*chain
	lookup lookupFunc
	broken *sourceError // an invalid option
}

var (
	_ Provider  = defaults{}
	_ Describer = defaults{}
	_ Poller    = defaults{}
	_ Warner    = defaults{}
)

func newDefault(lookup lookupFunc, secrets string, opts []FileOption) defaults {
	cfg, err := newFileConfig(opts)
	docker := filepath.Join(secrets, secretName)
	c := newChain([]Provider{
		env{name: tokenVariable, lookup: lookup},
		&variableFile{name: fileVariable, lookup: lookup, cfg: cfg},
		&variableFile{name: credentialsVariable, entry: secretName, lookup: lookup, cfg: cfg},
		newFile(docker, "file:"+shownPath(docker), cfg),
	})
	c.advice = "set " + tokenVariable +
		" to an API token from the account's Integrations page, or " +
		fileVariable + " to the path of a file that holds one"
	return defaults{chain: c, lookup: lookup, broken: err}
}

func (d defaults) Token(ctx context.Context) (Token, error) {
	if err := d.ready(ctx); err != nil {
		return Token{}, err
	}
	return d.chain.Token(ctx)
}

func (d defaults) Tokens(ctx context.Context) ([]Token, error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	return d.chain.Tokens(ctx)
}

func (d defaults) Poll(ctx context.Context, have []Token) (changed bool, err error) {
	if err := d.ready(ctx); err != nil {
		return false, err
	}
	return d.chain.Poll(ctx, have)
}

func (d defaults) ready(ctx context.Context) error {
	if d.broken != nil {
		return d.broken
	}
	if err := contextError(ctx, d.Describe()); err != nil {
		return err
	}
	_, noToken := variable(d.lookup, tokenVariable)
	_, noFile := variable(d.lookup, fileVariable)
	if noToken != nil || noFile != nil {
		return nil
	}
	return &sourceError{
		problem: tokenVariable + " and " + fileVariable + " are both set: unset one of them",
		kind:    ErrInvalid,
	}
}

// variableFile is a file whose path, or the directory of whose path, is in an environment
// variable. The variable is read at each call, because programs fill their environment at startup.
type variableFile struct {
	name   string
	entry  string // the file's name, if the variable gives its directory
	lookup lookupFunc
	cfg    fileConfig

	mu      sync.Mutex
	current *file // knows what it delivered, so it is kept while the path is the same
}

var (
	_ Provider  = (*variableFile)(nil)
	_ Describer = (*variableFile)(nil)
	_ Poller    = (*variableFile)(nil)
	_ Warner    = (*variableFile)(nil)
)

func (v *variableFile) Token(ctx context.Context) (Token, error) {
	f, err := v.file()
	if err != nil {
		return Token{}, err
	}
	return f.Token(ctx)
}

func (v *variableFile) Poll(ctx context.Context, have []Token) (changed bool, err error) {
	f, err := v.file()
	if err != nil {
		return false, err
	}
	return f.Poll(ctx, have)
}

func (v *variableFile) Describe() string {
	if f, err := v.file(); err == nil {
		return f.Describe()
	}
	return "file:" + v.expression()
}

func (v *variableFile) Warnings() []string {
	f, err := v.file()
	if err != nil {
		return nil
	}
	return f.Warnings()
}

func (v *variableFile) file() (*file, error) {
	path, err := variable(v.lookup, v.name)
	if err != nil {
		return nil, err
	}
	source := v.name + "="
	if v.entry != "" {
		path = filepath.Join(path, v.entry)
		source = v.expression() + "="
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.current == nil || v.current.path != path {
		v.current = newFile(path, source+shownPath(path), v.cfg)
	}
	return v.current, nil
}

// expression is the path as a shell would write it.
func (v *variableFile) expression() string {
	if v.entry != "" {
		return "$" + v.name + "/" + v.entry
	}
	return "$" + v.name
}
