package forwardauth_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// program is the built examples/forwardauth.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tolokacheck-forwardauth-")
	if err == nil {
		program = filepath.Join(dir, "forwardauth")
		cmd := exec.Command("go", "build", "-race", "-o", program, "./examples/forwardauth")
		cmd.Dir = filepath.Join("..", "..", "..")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		err = cmd.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building examples/forwardauth:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}
