package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// exitPatience bounds the wait for the end of a program.
const exitPatience = 20 * time.Second

// Process is a program that a test has started. Its methods are safe for concurrent use.
type Process struct {
	name   string
	cmd    *exec.Cmd
	output *output
	exited chan struct{}
}

// Start starts the program at path with the environment env and TMPDIR only. When the test ends,
// the program is killed if it still runs.
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
		_ = p.cmd.Wait() // the result is in ProcessState
	}()
	tb.Cleanup(func() {
		_ = p.cmd.Process.Kill() // an error means that it has already ended
		<-p.exited
		if tb.Failed() {
			tb.Logf("%s printed:\n%s", p.name, p.Output())
		}
	})
	return p
}

// Output returns the standard output and standard error so far.
func (p *Process) Output() string { return p.output.String() }

// Running reports whether the program still runs.
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

// Wait waits for the end of the program and returns its exit code, or -1 if a signal ended it.
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
