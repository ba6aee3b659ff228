package pollers_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// services are the programs under test, by folder name.
var services = []string{"nethttp", "echo"}

// binaries is the folder with the built programs.
var binaries string

func TestMain(m *testing.M) {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, "building the example services:", err)
		_ = os.RemoveAll(binaries)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(binaries)
		os.Exit(code)
	}))
}

// build builds in the root module, with its versions of all dependencies, and with the race
// detector.
func build() (err error) {
	if binaries, err = os.MkdirTemp("", "tolokacheck-pollers-"); err != nil {
		return err
	}
	args := []string{"build", "-race", "-o", binaries + string(filepath.Separator)}
	for _, name := range services {
		args = append(args, "./examples/"+name)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join("..", "..", "..")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// eachService runs a test for each of the example services.
func eachService(t *testing.T, test func(t *testing.T, name string)) {
	for _, name := range services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name)
		})
	}
}
