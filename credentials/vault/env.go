package vault

import (
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// The environment variables that FromEnv reads beside Vault's own.
const (
	envPath  = "TOLOKA_VAULT_PATH"
	envMount = "TOLOKA_VAULT_MOUNT"
	envField = "TOLOKA_VAULT_FIELD"
	envKV    = "TOLOKA_VAULT_KV"
)

// defaultMount is where the KV engine is in Vault's dev server and in its tutorials.
const defaultMount = "secret"

// FromEnv returns a provider that is set up by the environment. It reads the variables that
// every Vault client reads (VAULT_ADDR, VAULT_AGENT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE,
// VAULT_CACERT, VAULT_CLIENT_CERT, VAULT_CLIENT_TIMEOUT, VAULT_PROXY_ADDR and so on, as
// [api.Config.ReadEnvironment] and [api.NewClient] list them), and
//
//   - TOLOKA_VAULT_PATH, the path of the secret within its mount; required
//   - TOLOKA_VAULT_KV, the version of the KV engine, 1 or 2; required, as it cannot be guessed
//   - TOLOKA_VAULT_MOUNT, where the engine is mounted; "secret" by default
//   - TOLOKA_VAULT_FIELD, the field with the token; "token" by default
//
// An option beats the variable that says the same, and with [KVv1] or [KVv2] none of path, KV
// and mount is read. An empty variable counts as unset. Everything is read once, now.
//
// The error wraps [credentials.ErrInvalid], or [credentials.ErrNotFound] if there is neither
// TOLOKA_VAULT_PATH nor an option for it: the service is not set up for Vault.
func FromEnv(opts ...Option) (*Provider, error) {
	s := collect(opts)
	if s.secret.kv == 0 {
		if err := s.locate(); err != nil {
			return nil, err
		}
	}
	if field := env(envField); field != "" && !s.fieldSet {
		s.secret.field, s.fieldSet = field, true
	}
	cfg := api.DefaultConfig()
	if cfg.Error != nil {
		return nil, settingError("Vault's environment variables: %v", withoutURL(cfg.Error))
	}
	client, err := api.NewClient(cfg)
	if err != nil {
		return nil, settingError("Vault's environment variables: %v", withoutURL(err))
	}
	return newProvider(client, s)
}

// locate takes the secret's place from the environment.
func (s *settings) locate() error {
	path, version, mount := env(envPath), env(envKV), env(envMount)
	if path == "" {
		return &Error{problem: fmt.Sprintf("%s is not set: it is the path of the secret in Vault", envPath), kind: credentials.ErrNotFound}
	}
	if mount == "" {
		mount = defaultMount
	}
	switch version {
	case "1":
		KVv1(mount, path)(s)
	case "2":
		KVv2(mount, path)(s)
	case "":
		return settingError("%s is not set: say 1 or 2; 'vault secrets list -detailed' shows the version of each mount", envKV)
	default:
		return settingError("%s is %q: say 1 or 2", envKV, version)
	}
	return nil
}

func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }
