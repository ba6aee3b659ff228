package vault

import (
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

const (
	// DefaultField is the field of the secret that holds the token.
	DefaultField = "token"
	// DefaultTimeout bounds one call of [Provider.Token], login included. It is below the
	// 5 s that a checker gives a provider, so that an error which names the Vault path is
	// what the checker gets.
	DefaultTimeout = 4 * time.Second
)

// Option changes what [New] and [FromEnv] make. An option beats the environment. Of several
// that set the same the last one counts.
type Option func(*settings)

// KVv1 says that the secret is at path in the KV version 1 engine mounted at mount. Slashes
// around both are dropped.
func KVv1(mount, path string) Option { return kv(1, mount, path) }

// KVv2 says that the secret is at path in the KV version 2 engine mounted at mount: the path
// as the 'vault kv' command takes it, without "data/". Slashes around both are dropped.
func KVv2(mount, path string) Option { return kv(2, mount, path) }

// WithVersion pins the version of a KV v2 secret, from 1 on. By default, and with 0, it is the
// latest one: a rotated token is seen only then.
func WithVersion(n int) Option { return func(s *settings) { s.secret.version = n } }

// WithField names the field of the secret that holds the token. The default is [DefaultField].
func WithField(name string) Option {
	return func(s *settings) { s.secret.field, s.fieldSet = name, true }
}

// WithAuth makes the provider log in by itself: with [AppRole], [Kubernetes], [JWT], [Token],
// or any other [api.AuthMethod], such as those of Vault's api/auth modules. It keeps the Vault
// token for two thirds of the lease. A nil method is no method.
//
// Login is called with a client of the provider's own, which has no Vault token.
func WithAuth(method api.AuthMethod) Option { return func(s *settings) { s.auth = method } }

// WithNamespace sets the namespace (Vault Enterprise, OpenBao) of login and read; "" clears
// it. The default is the client's.
func WithNamespace(name string) Option { return func(s *settings) { s.namespace = &name } }

// WithTimeout bounds one call of [Provider.Token], login included. The default is
// [DefaultTimeout], or the client's timeout where that is shorter.
func WithTimeout(d time.Duration) Option {
	return func(s *settings) { s.timeout, s.timeoutSet = d, true }
}

// WithLogger sets where a failed login is logged whose failure does no harm yet, because the
// lease of the former one goes on (WARN), and each login that succeeds (DEBUG). By default
// nothing is logged: every other error is returned.
func WithLogger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

type settings struct {
	secret     location
	fieldSet   bool
	auth       api.AuthMethod
	namespace  *string
	timeout    time.Duration
	timeoutSet bool
	log        *slog.Logger
}

func kv(version int, mount, path string) Option {
	return func(s *settings) {
		s.secret.kv = version
		s.secret.mount, s.secret.path = strings.Trim(mount, "/"), strings.Trim(path, "/")
	}
}

func collect(opts []Option) settings {
	var s settings
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	return s
}

// complete fills in the defaults, and says which setting cannot work.
func (s *settings) complete() error {
	if !s.fieldSet {
		s.secret.field = DefaultField
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.secret.check(); err != nil {
		return err
	}
	if s.timeoutSet && s.timeout <= 0 {
		return settingError("timeout %s: it must be above zero", s.timeout)
	}
	if m, ok := s.auth.(interface{ check() error }); ok {
		return m.check()
	}
	return nil
}

// authenticator makes what gives the Vault tokens.
func (s *settings) authenticator(clientToken func() string, c clients, timeout time.Duration) authenticator {
	switch m := s.auth.(type) {
	case nil:
		return given(func() (string, error) { return clientToken(), nil })
	case *givenToken:
		return given(m.src.value)
	default:
		return &session{method: m, clients: c, timeout: timeout, log: s.log, turn: newTurn()}
	}
}
