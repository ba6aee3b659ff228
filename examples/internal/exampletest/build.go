// Package exampletest runs the example programs as they are, built and in processes of their own, and looks at what a user
// would see: exit codes, output, HTTP answers, and how they take signals. It is for the tests of the examples only, and
// for systems with Unix signals.
package exampletest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// binary is the program of the package under test, from Main on.
var binary string

// Main is the TestMain of an example: it builds the program in the current folder, runs the tests, and looks for goroutines
// that they left.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "tolokacheck-example-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "example")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the example:", err)
		_ = os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}
