// Package vault reads the token from HashiCorp Vault or OpenBao, where it is kept in a KV
// secrets engine, version 1 or 2. Use it in place of, or in a chain with, the sources of
// package credentials; only programs that import it link the Vault client. The provider logs
// in by itself where asked to, and reads the secret anew at every call, so a token that is
// written to Vault is in use after the checker's next look, without a restart:
//
//	provider, err := vault.New(client, vault.KVv2("secret", "toloka"))
//	if err != nil { … }
//	checker, err := health.New(provider)
//
// [FromEnv] takes everything from the environment.
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
// A policy for KV v1 names "secret/toloka". The provider needs nothing else, not even the
// default policy.
//
// # AppRole
//
//	vault auth enable approle
//	vault write auth/approle/role/toloka token_policies=toloka token_ttl=1h
//	vault read -field=role_id auth/approle/role/toloka/role-id
//	vault write -f -wrap-ttl=10m -field=wrapping_token auth/approle/role/toloka/secret-id
//
// The last command gives a response-wrapped secret id: the service unwraps it at its first
// login, once, and nobody on the way can have read it unnoticed:
//
//	vault.WithAuth(vault.AppRole(roleID, vault.Wrapped(vault.File("/run/toloka/wrapped-secret-id"))))
//
// A restart needs another one. Without -wrap-ttl and [Wrapped] the secret id itself is in the
// file, and lasts for as long as its role says.
//
// # Kubernetes
//
//	vault auth enable kubernetes
//	vault write auth/kubernetes/config kubernetes_host=https://kubernetes.default.svc
//	vault write auth/kubernetes/role/toloka bound_service_account_names=toloka \
//	    bound_service_account_namespaces=default token_policies=toloka token_ttl=1h
//
// In the pod, which runs under the service account toloka:
//
//	vault.WithAuth(vault.Kubernetes("toloka"))
//
// # Vault Agent, with no code
//
// An Agent or the Vault sidecar injector can log in and write the token to a file, which the
// default provider reads with TOLOKA_TOKEN_FILE=/vault/secrets/toloka-token, and polls. Then
// the service does without this package:
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
// Between the two: an Agent that only logs in, and whose sink the provider reads
// (vault.WithAuth(vault.Token(vault.File("/vault/sink")))), or one that listens, at VAULT_ADDR,
// and adds its own Vault token to requests that come without.
//
// # Requests
//
// One call of [Provider.Token] is one read, with a login before it when two thirds of the
// lease are over. A 403 from the read is answered with one more login and one more read; when
// logins do not lead to a read they are held back for 1 s, 2 s and so on up to a minute.
// Should a login fail while the lease goes on, the read is done with the former Vault token.
// Nothing is retried and no redirect is followed, whatever the client is set to: who calls the
// provider decides when it is asked again. There is no background goroutine, and no renewal:
// a new login costs Vault the same and finds out about a revoked token.
package vault
