// Package e2e tests the library against real servers. It is a module of its own, so that what
// the servers need is in nobody else's go.sum.
//
// Each server has a package that starts and stops it (vaulttest for HashiCorp Vault), and files
// of tests in this one. A server's binary comes from an environment variable; a test whose
// server is not there fails, and says how to get it. To run Vault's:
//
//	export TOLOKACHECK_VAULT_BIN=$(./build-vault.sh)
//	go test -race -run Vault ./...
package e2e
