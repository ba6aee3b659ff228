package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// toxiproxyServer is the path of the built program.
var toxiproxyServer string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tolokacheck-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	toxiproxyServer = filepath.Join(dir, "toxiproxy-server")
	// It runs in its own process: its data races and goroutines must not fail these tests.
	const server = "github.com/Shopify/toxiproxy/v2/cmd/server"
	build := exec.Command("go", "build", "-o", toxiproxyServer, server)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building toxiproxy:", err)
		_ = os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}
