package vault

import (
	"errors"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/names"
)

// The environment variables that FromEnv reads in addition to Vault's own.
const (
	envPath  = "TOLOKA_VAULT_PATH"
	envMount = "TOLOKA_VAULT_MOUNT"
	envField = "TOLOKA_VAULT_FIELD"
	envKV    = "TOLOKA_VAULT_KV"
)

// defaultMount is the mount of the KV engine in Vault's dev server and tutorials.
const defaultMount = "secret"

// FromEnv returns a provider that is configured by the environment. It reads the variables of
// every Vault client (VAULT_ADDR, VAULT_AGENT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE,
// VAULT_CACERT, VAULT_CLIENT_CERT, VAULT_CLIENT_TIMEOUT, VAULT_PROXY_ADDR and others; see
// [api.Config.ReadEnvironment] and [api.NewClient]) and
//
//   - TOLOKA_VAULT_PATH, the path of the secret within its mount; required
//   - TOLOKA_VAULT_KV, the version of the KV engine, 1 or 2; required
//   - TOLOKA_VAULT_MOUNT, the mount of the KV engine; default "secret"
//   - TOLOKA_VAULT_FIELD, the field with the token; default "token"
//
// An option overrides its variable; [KVv1] and [KVv2] override path, version and mount. An
// empty variable counts as unset. The environment is read once, by this call.
//
// The error wraps [credentials.ErrInvalid] and names the setting, or wraps
// [credentials.ErrNotFound] if neither TOLOKA_VAULT_PATH nor an option for it is set: the
// service is not configured for Vault.
func FromEnv(opts ...Option) (*Provider, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	if s.secret.kv == 0 {
		if err := s.secret.setFromEnv(); err != nil {
			return nil, err
		}
	}
	if s.secret.field == "" {
		s.secret.field = env(envField)
	}
	cfg := api.DefaultConfig()
	if cfg.Error != nil {
		return nil, settingError("Vault's environment variables: %s", configProblem(cfg.Error))
	}
	client, err := api.NewClient(cfg)
	if err != nil {
		return nil, settingError("Vault's environment variables: %s", configProblem(err))
	}
	return newProvider(client, s)
}

func (l *location) setFromEnv() error {
	path, version, mount := env(envPath), env(envKV), env(envMount)
	if path == "" {
		return &vaultError{
			problem: envPath + " is not set: set it to the path of the secret in Vault",
			kind:    credentials.ErrNotFound, unasked: true,
		}
	}
	if mount == "" {
		mount = defaultMount
	}
	kv := 0
	switch version {
	case "1":
		kv = 1
	case "2":
		kv = 2
	case "":
		return settingError("%s is not set: set it to 1 or 2; "+
			"'vault secrets list -detailed' shows the version of each mount", envKV)
	default:
		if shown := names.Field(version); shown.Problem != "" {
			return settingError("%s %s: set it to 1 or 2", envKV, shown.Problem)
		}
		return settingError("%s is %q: set it to 1 or 2", envKV, version)
	}
	return l.set(kv, place{envMount, mount}, place{envPath, path})
}

func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// configProblem describes an error of the Vault client about its configuration. The client quotes
// values, and any of them may be a secret or contain one: a URL its password.
func configProblem(err error) string {
	var address *url.Error
	var number *strconv.NumError
	switch {
	case errors.As(err, &address):
		return "an address (VAULT_ADDR, VAULT_AGENT_ADDR, VAULT_PROXY_ADDR) is not a URL"
	case errors.As(err, &number):
		return "VAULT_MAX_RETRIES is not a number"
	}
	text := err.Error()
	for _, file := range []string{
		api.EnvVaultCACert, api.EnvVaultCAPath, api.EnvVaultClientCert, api.EnvVaultClientKey,
	} {
		path := os.Getenv(file)
		if shown := names.Path(path); shown.Problem != "" {
			text = strings.ReplaceAll(text, path, shown.Text)
		}
	}
	return text
}
