package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// toxiproxyServer is the path of the program, from TestMain on.
var toxiproxyServer string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tolokacheck-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	toxiproxyServer = filepath.Join(dir, "toxiproxy-server")
	// A process of its own: inside of this one its races and the goroutines that it leaves would be taken for ours.
	build := exec.Command("go", "build", "-o", toxiproxyServer, "github.com/Shopify/toxiproxy/v2/cmd/server")
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
