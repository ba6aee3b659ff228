//go:build unix

package main

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m) }

func TestService(t *testing.T) {
	exampletest.TestService(t, exampletest.Service{
		RejectionType: "application/problem+json",
		RejectionBody: `{"type":"about:blank","title":"Service Unavailable","status":503,` +
			`"detail":"The service cannot handle this request at the moment. Try again later."}`,
	})
}
