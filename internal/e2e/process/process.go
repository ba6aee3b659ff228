package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// exitPatience is how long a program may take to end once it was asked to.
const exitPatience = 20 * time.Second

// Process is a program that was started by a test. Its methods are safe for concurrent use.
type Process struct {
	name   string
	cmd    *exec.Cmd
	output *output
	exited chan struct{}
}

// Start starts the program at path with the environment env and nothing else of the test's own. When the test ends the
// program is killed if it still runs.
func Start(tb testing.TB, path string, env []string, args ...string) *Process {
	tb.Helper()
	p := &Process{
		name:   filepath.Base(path),
		cmd:    exec.Command(path, args...),
		output: &output{},
		exited: make(chan struct{}),
	}
	p.cmd.Env = append([]string{"TMPDIR=" + os.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		tb.Fatalf("starting %s: %v", p.name, err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // what it says is in ProcessState
	}()
	tb.Cleanup(func() {
		_ = p.cmd.Process.Kill() // an error means that it has ended already
		<-p.exited
		if tb.Failed() {
			tb.Logf("%s printed:\n%s", p.name, p.Output())
		}
	})
	return p
}

// Output is what the program has printed so far, to standard output and standard error.
func (p *Process) Output() string { return p.output.String() }

// Running reports whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Signal sends a signal.
func (p *Process) Signal(tb testing.TB, sig os.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		tb.Fatalf("sending %s to %s: %v", sig, p.name, err)
	}
}

// Wait waits for the end of the program and returns its exit code, -1 where a signal ended it.
func (p *Process) Wait(tb testing.TB) int {
	tb.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(exitPatience):
		tb.Fatalf("%s still runs after %s", p.name, exitPatience)
		return 0
	}
}
