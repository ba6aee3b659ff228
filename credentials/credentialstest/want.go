package credentialstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func wantToken(tb testing.TB, d Driver, value string, scheme credentials.Scheme) {
	tb.Helper()
	token, err := d.Provider.Token(context.Background())
	if err != nil {
		tb.Fatalf("Token: %v", err)
	}
	if want := parse(tb, value).WithScheme(scheme); !token.Equal(want) {
		tb.Fatalf("Token: %v with scheme %q, want %v with scheme %q",
			token, token.Scheme(), want, scheme)
	}
}

// wantError checks that Token returns an error that wraps kind and no other kind and does not
// show the token, and no token with it. With a nil kind the caller checks the kind.
func wantError(tb testing.TB, d Driver, kind error) error {
	tb.Helper()
	token, err := d.Provider.Token(context.Background())
	if err == nil {
		tb.Fatalf("Token: %v and no error", token)
	}
	if !token.IsZero() {
		tb.Errorf("Token: %v together with an error", token)
	}
	for _, k := range []error{credentials.ErrNotFound, credentials.ErrInvalid} {
		if kind != nil && errors.Is(err, k) != (k == kind) {
			tb.Errorf("Token: error %q: errors.Is(err, %q) is %t", err, k, k != kind)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		noSecret(tb, "error formatted with "+verb, fmt.Sprintf(verb, err))
	}
	return err
}

func noSecret(tb testing.TB, where, text string) {
	tb.Helper()
	hexMarker := fmt.Sprintf("%x", marker)
	if strings.Contains(text, marker) || strings.Contains(strings.ToLower(text), hexMarker) {
		tb.Errorf("%s shows the token", where)
	}
}

func parse(tb testing.TB, value string) credentials.Token {
	tb.Helper()
	token, err := credentials.ParseToken(value)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}
