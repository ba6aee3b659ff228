// Package vault reads the token from a KV secrets engine, version 1 or 2, of HashiCorp Vault
// or OpenBao. Use it instead of the sources of package credentials, or in a chain with them;
// only programs that import it link the Vault client. The provider can log in by itself and
// reads the secret at every call, so a token that is written to Vault is in use after the
// checker's next check, without a restart:
//
//	provider, err := vault.New(client, vault.KVv2("secret", "toloka"))
//	if err != nil { … }
//	checker, err := health.New(provider)
//
// [FromEnv] takes all settings from the environment.
//
// # The secret and its policy
//
//	vault kv put -mount=secret toloka token=-
//	vault policy write toloka - <<EOF
//	path "secret/data/toloka" {
//	  capabilities = ["read"]
//	}
//	EOF
//
// The policy for KV v1 names "secret/toloka". The provider needs no other policy, not even
// the default one.
//
// # AppRole
//
//	vault auth enable approle
//	vault write auth/approle/role/toloka token_policies=toloka token_ttl=1h
//	vault read -field=role_id auth/approle/role/toloka/role-id
//	vault write -f -wrap-ttl=10m -field=wrapping_token auth/approle/role/toloka/secret-id
//
// The last command returns a response-wrapped secret id. The service unwraps it once, at its
// first login. If anyone else has unwrapped it before, or replaced it, the login fails and
// the error says so:
//
//	secretID := vault.Wrapped(vault.File("/run/toloka/wrapped-secret-id"))
//	vault.WithAuth(vault.AppRole(roleID, secretID))
//
// A restarted service needs a new one. Without -wrap-ttl and [Wrapped], the file holds the
// secret id itself, which is valid as long as its role allows.
//
// # Kubernetes
//
//	vault auth enable kubernetes
//	vault write auth/kubernetes/config kubernetes_host=https://kubernetes.default.svc
//	vault write auth/kubernetes/role/toloka bound_service_account_names=toloka \
//	    bound_service_account_namespaces=default token_policies=toloka token_ttl=1h
//
// In a pod that runs under the service account toloka:
//
//	vault.WithAuth(vault.Kubernetes("toloka"))
//
// # Vault Agent
//
// A Vault Agent or the Vault sidecar injector can log in and write the token to a file. The
// service then does not need this package: the default provider reads and polls the file that
// TOLOKA_TOKEN_FILE=/vault/secrets/toloka-token names.
//
//	auto_auth {
//	  method "kubernetes" { config = { role = "toloka" } }
//	}
//	template_config { static_secret_render_interval = "1m" }
//	template {
//	  contents    = "{{ with secret \"secret/data/toloka\" }}{{ .Data.data.token }}{{ end }}"
//	  destination = "/vault/secrets/toloka-token"
//	  perms       = "0400"
//	}
//
// An Agent can also only log in. Then the provider reads the Agent's sink,
// vault.WithAuth(vault.Token(vault.File("/vault/sink"))), or sends its requests to the Agent's
// listener at VAULT_ADDR, which adds a Vault token to requests without one.
//
// # Requests
//
// One call of [Provider.Token] is one read. A login precedes it at the first call and when two
// thirds of the lease have passed. After a 403 from the read, the provider logs in once more
// and repeats the read. While no read succeeds after a login, the next login waits 1 s, then
// 2 s and so on up to a minute. If a login fails before the lease ends, the read uses the
// previous Vault token.
//
// Requests are not retried and redirects are not followed, even if the client is set to do so:
// the caller of the provider decides when to try again. There is no background goroutine and
// no renewal of leases: a new login costs Vault the same and detects a revoked token.
package vault
