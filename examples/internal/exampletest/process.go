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

// patience bounds every wait. Nothing should take nearly as long.
const patience = 20 * time.Second

// Command is one run of the program.
type Command struct {
	Args []string
	// Env holds variables in the form NAME=value. The program gets these and TMPDIR only.
	Env []string
	// Secrets must not be in the output.
	Secrets []string
}

// Process is a running or ended program.
type Process struct {
	cmd     *exec.Cmd
	secrets []string
	stdout  *output
	stderr  *output
	exited  chan struct{}
}

// Start starts the program. When the test ends, the program is killed if it still runs, and its
// output is searched for secrets.
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
		_ = p.cmd.Wait() // the result is in ProcessState
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

// Run runs the program until it ends.
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

// Wait waits for the end of the program and returns its exit code, or -1 if a signal ended it.
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

// Running reports whether the program still runs.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Stdout returns the standard output so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr returns the standard error so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// StdoutLine waits for a line on standard output that contains all parts, and returns it.
func (p *Process) StdoutLine(t *testing.T, parts ...string) string {
	t.Helper()
	return p.line(t, p.stdout, parts)
}

// StderrLine waits for a line on standard error that contains all parts, and returns it.
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

// check searches the output for secrets.
func (p *Process) check(t *testing.T) {
	t.Helper()
	NoSecrets(t, "standard output", p.stdout.String(), p.secrets)
	NoSecrets(t, "standard error", p.stderr.String(), p.secrets)
}

// NoSecrets fails the test if the text contains 12 consecutive characters of a secret.
func NoSecrets(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	const piece = 12
	for _, secret := range secrets {
		for i := 0; i+piece <= len(secret); i++ {
			if strings.Contains(text, secret[i:i+piece]) {
				t.Errorf("%s contains a part of a token: %q", where, secret[i:i+piece])
				break
			}
		}
	}
}

// output collects the output of a program. Readers can wait for a line.
type output struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	more   chan struct{} // closed and replaced at each write
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
			return "", errors.New("the program ended without it")
		}
		select {
		case <-more:
		case <-deadline:
			return "", errors.New("timed out waiting")
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

// lastLine returns the last line of a text, without its line break.
func lastLine(text string) string {
	text = strings.TrimSuffix(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}
