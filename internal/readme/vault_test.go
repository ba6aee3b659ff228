package readme

import (
	"fmt"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials/vault"
	"github.com/tolokacheck/tolokacheck/health"
)

// vaultClient returns the client of a service that uses Vault already.
func vaultClient() *api.Client {
	client, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		panic(err)
	}
	return client
}

func Example_vault() {
	client := vaultClient()
	err := func() error {
		provider, err := vault.New(client, vault.KVv2("secret", "toloka")) // client is your *api.Client
		if err != nil {
			return err
		}
		checker, err := health.New(provider)
		if err != nil {
			return err
		}
		fmt.Println(provider.Describe())
		return checker.Close()
	}()
	fmt.Println(err)
	// Output:
	// vault:secret/data/toloka#token
	// <nil>
}

func Example_vaultLogins() {
	const roleID = "3a0b…"
	logins := []vault.Option{
		vault.WithAuth(vault.AppRole(roleID, vault.Wrapped(vault.File("/run/toloka/wrapped-secret-id")))),
		vault.WithAuth(vault.AppRole(roleID, vault.File("/run/toloka/secret-id"))), // without -wrap-ttl

		vault.WithAuth(vault.Kubernetes("toloka")),
		vault.WithAuth(vault.JWT("toloka", vault.File("/var/run/secrets/vault/token"), // a projected token
			vault.AtMount("kubernetes"))),

		vault.WithAuth(vault.JWT("toloka", vault.Env("CI_JOB_JWT"))),
		vault.WithAuth(vault.Token(vault.File("/vault/sink"))),
	}
	for _, login := range logins {
		if _, err := vault.New(vaultClient(), vault.KVv2("secret", "toloka"), login); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
}
