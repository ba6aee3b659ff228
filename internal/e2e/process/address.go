package process

import (
	"fmt"
	"syscall"
	"testing"
)

// Reserve returns a loopback address with a port that is reserved until the test ends. A server can
// listen on it, stop, and listen on it again. While no server listens, connections are refused.
//
// Reserve binds a socket to the port and never listens on it. On Linux, servers that set
// SO_REUSEADDR, as all servers here do, can still bind to the port, but it is never chosen for port
// 0.
func Reserve(tb testing.TB) string {
	tb.Helper()
	syscall.ForkLock.RLock() // a child process that inherits the socket would keep the port
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		tb.Fatalf("reserving a port: %v", err)
	}
	tb.Cleanup(func() { _ = syscall.Close(fd) })

	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		tb.Fatalf("reserving a port: %v", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		tb.Fatalf("reserving a port: %v", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		tb.Fatalf("reserving a port: %v", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}
