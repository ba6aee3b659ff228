package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func ExampleParseToken() {
	token, err := credentials.ParseToken("OAuth AQVNexample-0123456789\r\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token, token.Scheme())
	fmt.Printf("%d %+v\n", token, struct{ T credentials.Token }{token})
	fmt.Println(token.Reveal())

	_, err = credentials.ParseToken(`"AQVNexample-0123456789"`)
	fmt.Println(err)
	// Output:
	// credentials.Token(AQVN…#0a20c7a2) OAuth
	// credentials.Token(AQVN…#0a20c7a2) {T:credentials.Token(AQVN…#0a20c7a2)}
	// AQVNexample-0123456789
	// credentials: token is in double quotes: remove them (docker run --env-file keeps quotes)
}

func ExampleStatic() {
	token, err := credentials.Static("AQVNexample-0123456789").Token(context.Background())
	fmt.Println(token, err)
	// Output: credentials.Token(AQVN…#0a20c7a2) <nil>
}

func ExampleEnv() {
	os.Setenv("EXAMPLE_TOKEN", "AQVNexample-0123456789")
	defer os.Unsetenv("EXAMPLE_TOKEN")

	token, err := credentials.Env("EXAMPLE_TOKEN").Token(context.Background())
	fmt.Println(token, err)

	_, err = credentials.Env("EXAMPLE_OTHER").Token(context.Background())
	fmt.Println(err, errors.Is(err, credentials.ErrNotFound))
	// Output:
	// credentials.Token(AQVN…#0a20c7a2) <nil>
	// credentials: env:EXAMPLE_OTHER: not set true
}

func ExampleFile() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "token")
	os.WriteFile(path, []byte("AQVNexample-0123456789\n"), 0o600)

	provider := credentials.File(path, credentials.RefuseInsecurePermissions())
	token, err := provider.Token(context.Background())
	fmt.Println(token, err)

	// The token is rotated.
	os.WriteFile(path, []byte("AQVNanother-9876543210\n"), 0o600)
	changed, err := provider.(credentials.Poller).Poll(context.Background(),
		[]credentials.Token{token})
	fmt.Println(changed, err)
	token, err = provider.Token(context.Background())
	fmt.Println(token, err)
	// Output:
	// credentials.Token(AQVN…#0a20c7a2) <nil>
	// true <nil>
	// credentials.Token(AQVN…#3a2d87a7) <nil>
}

func ExampleWithField() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "toloka.json")
	os.WriteFile(path, []byte(`{"account": "ads", "api_key": "AQVNexample-0123456789"}`), 0o600)

	provider := credentials.File(path, credentials.WithField("api_key"))
	token, err := provider.Token(context.Background())
	fmt.Println(token, err)
	// Output: credentials.Token(AQVN…#0a20c7a2) <nil>
}

func ExampleChain() {
	provider := credentials.Chain(
		credentials.Env("EXAMPLE_OTHER"),
		credentials.Static("AQVNexample-0123456789"),
	)
	token, err := provider.Token(context.Background())
	fmt.Println(token, err)
	fmt.Println(provider.(credentials.Describer).Describe())

	// A broken source stops the chain, and the error lists the sources that were asked.
	_, err = credentials.Chain(
		credentials.Env("EXAMPLE_OTHER"),
		credentials.File("/"),
		credentials.Static("AQVNexample-0123456789"),
	).Token(context.Background())
	fmt.Println(err)
	// Output:
	// credentials.Token(AQVN…#0a20c7a2) <nil>
	// static
	// credentials: file:/: is a directory: give the path of a file in it (asked before: env:EXAMPLE_OTHER: not set)
}

func ExampleDefault() {
	os.Unsetenv("TOLOKA_TOKEN")
	os.Setenv("TOLOKA_TOKEN_FILE", "/")
	defer os.Unsetenv("TOLOKA_TOKEN_FILE")

	_, err := credentials.Default().Token(context.Background())
	fmt.Println(errors.Is(err, credentials.ErrInvalid)) // it is a directory

	os.Unsetenv("TOLOKA_TOKEN_FILE")
	os.Setenv("TOLOKA_TOKEN", "AQVNexample-0123456789")
	defer os.Unsetenv("TOLOKA_TOKEN")
	token, err := credentials.Default().Token(context.Background())
	fmt.Println(token, err)
	// Output:
	// true
	// credentials.Token(AQVN…#0a20c7a2) <nil>
}

func ExampleFailover() {
	provider := credentials.Failover(
		credentials.Env("EXAMPLE_OTHER"),
		credentials.Static("AQVNexample-0123456789"),
	)
	tokens, err := provider.(credentials.MultiProvider).Tokens(context.Background())
	fmt.Println(tokens)
	fmt.Println(err)
	// Output:
	// [credentials.Token(AQVN…#0a20c7a2)]
	// credentials: primary: env:EXAMPLE_OTHER: not set
}

func ExampleProviderFunc() {
	keychain := credentials.ProviderFunc(func(context.Context) (credentials.Token, error) {
		// Ask the keychain here.
		return credentials.ParseToken("AQVNexample-0123456789")
	})
	token, err := credentials.Chain(credentials.Env("EXAMPLE_OTHER"),
		keychain).Token(context.Background())
	fmt.Println(token, err)
	// Output: credentials.Token(AQVN…#0a20c7a2) <nil>
}
