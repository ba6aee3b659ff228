//go:build unix

package main

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m) }

func TestService(t *testing.T) {
	exampletest.TestService(t, exampletest.Service{
		RejectionType: "application/json",
		RejectionBody: `{"message":"Service Unavailable"}`,
	})
}
