// Package child runs the calling program again as a server, so that its processor time and memory
// are not measured together with those of the caller.
package child

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Process is a running child.
type Process struct {
	// Addr is the address that it has announced.
	Addr string
	// PID is its process id.
	PID int

	command *exec.Cmd
	alive   io.Closer
}

// Start runs this program with other arguments, and waits until it calls [Announce]. Stop it when
// done.
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
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	p.Addr = strings.TrimSpace(addr)
	return p, nil
}

// Stop ends the child and waits for it.
func (p *Process) Stop() {
	_ = p.alive.Close()
	_ = p.command.Wait()
}

// Announce tells the parent the address of the child. It returns when the parent stops the child or
// exits, because the parent holds the other end of a pipe.
func Announce(addr string) {
	fmt.Println(addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
