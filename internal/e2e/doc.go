// Package e2e tests the library against real servers. It is a separate module, because the
// library's go.sum should not have the dependencies of the servers.
//
// Each server has a package that starts and stops it, such as vaulttest for HashiCorp Vault.
// The path of a server's binary comes from an environment variable. A test without its server
// fails and says how to get it. To run the tests with Vault:
//
//	export TOLOKACHECK_VAULT_BIN=$(./build-vault.sh)
//	go test -race -run Vault ./...
package e2e
