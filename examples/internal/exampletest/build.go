// Package exampletest builds the example programs, runs each in its own process, and checks what a
// user sees: exit codes, output, HTTP responses, and the effect of signals. It is for the tests of
// the examples, on systems with Unix signals.
package exampletest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// binary is the path of the program under test. Main sets it.
var binary string

// Waiting lets more tests run at once than there are processors: these tests wait most of the time.
// Call it from TestMain.
func Waiting() {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
}

// Main is the TestMain of an example: it builds the program in the current folder, runs the tests,
// and fails if they leave goroutines.
func Main(m *testing.M) {
	Waiting()
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
