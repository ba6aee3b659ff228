package vault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

// exampleVault is a fake Vault with a secret and an AppRole.
func exampleVault() *httptest.Server {
	fake := newFakeVault()
	fake.answer(dataPath, http.StatusOK, kv2Body(tokenField(tokenA)))
	fake.answer(loginPath, http.StatusOK, loginBody("hvs.example", "3600"))
	fake.answer(lookupPath, http.StatusOK, lookupBody)
	fake.answer(unwrapPath, http.StatusOK, unwrapBody)
	return httptest.NewServer(fake)
}

func exampleClient(address string) *api.Client {
	client, _ := api.NewClient(&api.Config{Address: address})
	return client
}

// A service that has a Vault client and manages its Vault token itself.
func ExampleNew() {
	server := exampleVault()
	defer server.Close()
	client := exampleClient(server.URL)

	provider, err := vault.New(client, vault.KVv2("secret", "toloka"))
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := provider.Token(context.Background())
	fmt.Println(provider.Describe(), token, err)
	// Output: vault:secret/data/toloka#token credentials.Token(AQVN…#2b71ddb2) <nil>
}

// A service that is configured by its environment.
func ExampleFromEnv() {
	server := exampleVault()
	defer server.Close()
	for name, value := range map[string]string{
		"VAULT_ADDR": server.URL, "VAULT_TOKEN": "hvs.example", "TOLOKA_VAULT_PATH": "toloka",
		"TOLOKA_VAULT_KV": "2",
	} {
		_ = os.Setenv(name, value)
		defer func() { _ = os.Unsetenv(name) }()
	}

	provider, err := vault.FromEnv()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer provider.CloseIdleConnections()
	token, err := provider.Token(context.Background())
	fmt.Println(provider.Describe(), token, err)
	// Output: vault:secret/data/toloka#token credentials.Token(AQVN…#2b71ddb2) <nil>
}

// Without TOLOKA_VAULT_PATH the service is not configured for Vault and can use another source.
func ExampleFromEnv_notConfigured() {
	_, err := vault.FromEnv()
	fmt.Println(err)
	fmt.Println(errors.Is(err, credentials.ErrNotFound))
	// Output:
	// vault: TOLOKA_VAULT_PATH is not set: set it to the path of the secret in Vault
	// true
}

// The secret id is response-wrapped. The service unwraps it at its first login.
func ExampleAppRole() {
	server := exampleVault()
	defer server.Close()
	client := exampleClient(server.URL)

	const roleID = "3906f5f5-c9db-7bb9-283c-4c6b70c4ccc8"
	wrapped := vault.Wrapped(vault.Value("hvs.CAESIFCX"))
	provider, err := vault.New(client,
		vault.KVv2("secret", "toloka"),
		vault.WithAuth(vault.AppRole(roleID, wrapped)),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(provider.Token(context.Background()))
	// Output: credentials.Token(AQVN…#2b71ddb2) <nil>
}

// The pod's service account logs in. Outside of Kubernetes there is none.
func ExampleKubernetes() {
	server := exampleVault()
	defer server.Close()
	client := exampleClient(server.URL)

	provider, err := vault.New(client, vault.KVv2("secret", "toloka"),
		vault.WithAuth(vault.Kubernetes("toloka")))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = provider.Token(context.Background())
	fmt.Println(strings.ReplaceAll(err.Error(), ": ", ":\n"))
	// Output:
	// vault:
	// file:/var/run/secrets/kubernetes.io/serviceaccount/token:
	// no such file:
	// the program that writes it may not have run yet
}

// The token of an identity provider logs in at a mount of its own.
func ExampleJWT() {
	server := exampleVault()
	defer server.Close()
	client := exampleClient(server.URL)

	jwt := vault.Value("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ0b2xva2EifQ.c2ln")
	provider, err := vault.New(client,
		vault.KVv2("secret", "toloka"),
		vault.WithAuth(vault.JWT("toloka", jwt, vault.AtMount("approle"))), // the only mount of this fake
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(provider.Token(context.Background()))
	// Output: credentials.Token(AQVN…#2b71ddb2) <nil>
}

// A Vault Agent logs in and writes its Vault token to a file.
func ExampleToken() {
	server := exampleVault()
	defer server.Close()
	client := exampleClient(server.URL)

	provider, err := vault.New(client, vault.KVv2("secret", "toloka"),
		vault.WithAuth(vault.Token(vault.File("/nowhere/sink"))))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = provider.Token(context.Background())
	fmt.Println(err)
	// Output: vault: file:/nowhere/sink: no such file: the program that writes it may not have run yet
}

// A missing secret is different from other errors: a chain continues with the next source.
func ExampleNew_notFound() {
	server := httptest.NewServer(newFakeVault()) // holds nothing
	defer server.Close()
	client := exampleClient(server.URL)

	provider, err := vault.New(client, vault.KVv2("secret", "toloka"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = provider.Token(context.Background())
	fmt.Println(errors.Is(err, credentials.ErrNotFound))
	token, err := credentials.Chain(provider, credentials.Static(tokenB)).Token(context.Background())
	fmt.Println(token, err)
	// Output:
	// true
	// credentials.Token(AQVN…#b6fa2187) <nil>
}
