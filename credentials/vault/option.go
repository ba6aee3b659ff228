package vault

import (
	"log/slog"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

const (
	// defaultTimeout is shorter than the 5 s that a health.Checker waits for a provider, so that
	// the checker gets the error of this package, which names the Vault path.
	defaultTimeout = 4 * time.Second
	// minTimeout rejects numbers without a unit, such as WithTimeout(5).
	minTimeout = 10 * time.Millisecond

	defaultField = "token"
)

// Option configures the provider that [New] or [FromEnv] returns. An option overrides the
// environment; of several options for the same setting the last one applies. A nil Option is
// an error.
type Option func(*settings) error

// KVv1 reads the secret at path in the KV version 1 engine mounted at mount. Slashes around
// both are ignored.
func KVv1(mount, path string) Option { return kv(1, mount, path) }

// KVv2 reads the secret at path in the KV version 2 engine mounted at mount. The path is that
// of the 'vault kv' command, without "data/". Slashes around both are ignored.
func KVv2(mount, path string) Option { return kv(2, mount, path) }

// WithVersion pins the version of a KV v2 secret, counted from 1. The default, also set by 0,
// is the latest version. A pinned version does not follow rotations.
func WithVersion(n int) Option {
	return func(s *settings) error {
		if n < 0 {
			return settingError("version %d: versions count from 1", n)
		}
		s.secret.version = n
		return nil
	}
}

// WithField sets the name of the field that holds the token. The default is "token".
func WithField(name string) Option {
	return func(s *settings) error {
		if name == "" {
			return settingError("the field's name is empty")
		}
		s.secret.field = name
		return nil
	}
}

// WithAuth makes the provider log in with method: [AppRole], [Kubernetes], [JWT], [Token] or
// any other [api.AuthMethod], such as those of Vault's api/auth modules. The Vault token of a
// login is used for two thirds of its lease. By default there is no login: each read sends the
// token of the client. A nil method, or one of this package that is invalid, is an error.
//
// Login is called with a client that belongs to the provider and has no Vault token.
func WithAuth(method api.AuthMethod) Option {
	return func(s *settings) error {
		if isnil.Value(method) {
			return settingError(
				"the login method is nil: leave WithAuth out to use the client's token")
		}
		if own, ok := method.(interface{ check() error }); ok {
			if err := own.check(); err != nil {
				return err
			}
		}
		s.auth = method
		return nil
	}
}

// WithNamespace sets the namespace (Vault Enterprise, OpenBao) of login and read; "" clears
// it. The default is that of the client.
func WithNamespace(name string) Option {
	return func(s *settings) error {
		s.namespace = &name
		return nil
	}
}

// WithTimeout bounds one call of [Provider.Token], login included. The minimum is 10 ms. The
// default is the client's timeout, but at most 4 s.
func WithTimeout(d time.Duration) Option {
	return func(s *settings) error {
		if d < minTimeout {
			return settingError(
				"timeout %s: the minimum is %s (is the unit missing?)", d, minTimeout)
		}
		s.timeout = d
		return nil
	}
}

// WithLogger sets the logger for logins: at WARN level one that fails while the lease of the
// previous login lasts, which is not returned as an error, and at DEBUG level one that
// succeeds. The default is to log nothing. A nil logger is an error.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) error {
		if logger == nil {
			return settingError("the logger is nil")
		}
		s.log = logger
		return nil
	}
}

type settings struct {
	secret    location
	auth      api.AuthMethod // nil: the client's own token
	namespace *string        // nil: the client's
	timeout   time.Duration  // 0: the default
	log       *slog.Logger
}

// newSettings applies the options. What they leave out is still unset: the environment comes
// before the defaults.
func newSettings(opts []Option) (settings, error) {
	s := settings{log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		if opt == nil {
			return s, settingError("an Option is nil")
		}
		if err := opt(&s); err != nil {
			return s, err
		}
	}
	return s, nil
}

func kv(version int, mount, path string) Option {
	return func(s *settings) error {
		return s.secret.set(version, place{"mount", mount}, place{"path", path})
	}
}

// complete fills in the defaults and checks the combination.
func (s *settings) complete(client *api.Client) error {
	if s.secret.field == "" {
		s.secret.field = defaultField
	}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
		if t := client.ClientTimeout(); t > 0 {
			s.timeout = min(s.timeout, t)
		}
	}
	return s.secret.check()
}

// authenticator returns the source of the Vault tokens.
func (s *settings) authenticator(client *api.Client, c clients) authenticator {
	switch m := s.auth.(type) {
	case nil:
		return newGiven(client.Token)
	case *givenToken:
		return given(m.src.read)
	default:
		return &session{method: m, clients: c, timeout: s.timeout, log: s.log, turn: newTurn()}
	}
}
