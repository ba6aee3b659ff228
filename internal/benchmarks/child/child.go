// Package child runs this same program a second time, as a server in a process of its own: its processor, memory and
// garbage are then not what is measured.
package child

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Process is a child that serves.
type Process struct {
	// Addr is what it printed: where it listens.
	Addr string
	// PID is its number.
	PID int

	command *exec.Cmd
	alive   io.Closer
}

// Start runs this program with other arguments, and waits until it has called [Announce]. Stop it when done.
func Start(args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, args...)
	command.Stderr = os.Stderr
	alive, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &Process{PID: command.Process.Pid, command: command, alive: alive}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.Stop()
		return nil, fmt.Errorf("the server did not come up: %w", err)
	}
	p.Addr = strings.TrimSpace(addr)
	return p, nil
}

// Stop ends the child and waits for it.
func (p *Process) Stop() {
	_ = p.alive.Close()
	_ = p.command.Wait()
}

// Announce tells the parent where the child listens, and returns when the parent has stopped it or is gone itself: the
// child holds the other end of a pipe, so it never outlives its parent.
func Announce(addr string) {
	fmt.Println(addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
