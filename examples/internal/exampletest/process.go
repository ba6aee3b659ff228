package exampletest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long anything may take before a test gives up on it. Nothing should come near.
const patience = 20 * time.Second

// Command is one run of the program.
type Command struct {
	Args []string
	// Env has the variables in the form NAME=value. Nothing else is passed on, but for TMPDIR.
	Env []string
	// Secrets are what must never be printed.
	Secrets []string
}

// Process is a program that runs, or has ended.
type Process struct {
	cmd     *exec.Cmd
	secrets []string
	stdout  *output
	stderr  *output
	exited  chan struct{}
}

// Start starts the program. When the test ends it is killed if it still runs, and its output is searched for secrets.
func Start(t *testing.T, c Command) *Process {
	t.Helper()
	p := &Process{
		cmd:     exec.Command(binary, c.Args...),
		secrets: c.Secrets,
		stdout:  newOutput(),
		stderr:  newOutput(),
		exited:  make(chan struct{}),
	}
	p.cmd.Env = append([]string{"TMPDIR=" + os.TempDir()}, c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting the program: %v", err)
	}
	go func() {
		_ = p.cmd.Wait() // what it says is in ProcessState
		p.stdout.close()
		p.stderr.close()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		p.check(t)
	})
	return p
}

// Run runs the program to its end.
func Run(t *testing.T, c Command) (code int, stdout, stderr string) {
	t.Helper()
	p := Start(t, c)
	code = p.Wait(t)
	return code, p.stdout.String(), p.stderr.String()
}

// Signal sends a signal.
func (p *Process) Signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("sending %s: %v", sig, err)
	}
}

// Wait waits for the end of the program and returns its exit code, -1 for one that was killed by a signal.
func (p *Process) Wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("the program still runs after %s; its output:\n%s%s", patience, p.stdout, p.stderr)
		return 0
	}
}

// Running reports whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Stdout returns what the program has written so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr returns what the program has written so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// StdoutLine waits for a line on standard output with all the parts in it, and returns the first.
func (p *Process) StdoutLine(t *testing.T, parts ...string) string {
	t.Helper()
	return p.line(t, p.stdout, parts)
}

// StderrLine waits for a line on standard error with all the parts in it, and returns the first.
func (p *Process) StderrLine(t *testing.T, parts ...string) string {
	t.Helper()
	return p.line(t, p.stderr, parts)
}

func (p *Process) line(t *testing.T, o *output, parts []string) string {
	t.Helper()
	line, err := o.await(parts)
	if err != nil {
		t.Fatalf("%v: a line with %q; the output:\n%s%s", err, parts, p.stdout, p.stderr)
	}
	return line
}

// check looks for secrets in all that was printed.
func (p *Process) check(t *testing.T) {
	t.Helper()
	NoSecrets(t, "standard output", p.stdout.String(), p.secrets)
	NoSecrets(t, "standard error", p.stderr.String(), p.secrets)
}

// NoSecrets fails the test if one of the secrets, or as much as 12 characters of one in a row, is in the text.
func NoSecrets(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	const piece = 12
	for _, secret := range secrets {
		for i := 0; i+piece <= len(secret); i++ {
			if strings.Contains(text, secret[i:i+piece]) {
				t.Errorf("a part of a token is in %s: %q", where, secret[i:i+piece])
				break
			}
		}
	}
}

// output collects what a program writes, for readers who wait for a line.
type output struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	more   chan struct{} // closed and replaced when there is more
	closed bool
}

var _ io.Writer = (*output)(nil)

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	close(o.more)
	o.more = make(chan struct{})
}

func (o *output) await(parts []string) (string, error) {
	deadline := time.After(patience)
	for {
		o.mu.Lock()
		text, more, closed := o.buf.String(), o.more, o.closed
		o.mu.Unlock()
		for line := range strings.Lines(text) {
			if containsAll(line, parts) && strings.HasSuffix(line, "\n") {
				return strings.TrimSuffix(line, "\n"), nil
			}
		}
		if closed {
			return "", errors.New("the program has ended without it")
		}
		select {
		case <-more:
		case <-deadline:
			return "", errors.New("waited in vain")
		}
	}
}

func containsAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}

// lastLine returns the last line of a text, without its end.
func lastLine(text string) string {
	text = strings.TrimSuffix(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}
