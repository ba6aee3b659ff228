package credentials_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func TestChainNamesTheProviderThatIsNil(t *testing.T) {
	for want, chain := range map[string]credentials.Provider{
		"credentials: provider 1 of 1 in the chain is nil": credentials.Chain(nil),
		"credentials: provider 1 of 2 in the chain is nil": credentials.Chain(nil, credentials.Static("AQVNabcdefghijklmnop")),
		"credentials: provider 2 of 2 in the chain is nil": credentials.Chain(credentials.Static("AQVNabcdefghijklmnop"), nil),
	} {
		t.Run(want, func(t *testing.T) {
			_, err := chain.Token(t.Context())
			require.EqualError(t, err, want)
			require.ErrorIs(t, err, credentials.ErrInvalid)
		})
	}
}
