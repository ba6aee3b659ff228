package process

import (
	"fmt"
	"syscall"
	"testing"
)

// Reserve returns a loopback address with a port that is the test's own until it ends: for servers that want to be told
// where to listen, and for those that come back at the same place. While nobody listens there, connections are refused.
//
// It binds a socket to the port and never listens on it. Linux lets others that set SO_REUSEADDR, as all servers here do,
// bind and listen beside such a socket, but gives the port to nobody who asks for just any.
func Reserve(tb testing.TB) string {
	tb.Helper()
	syscall.ForkLock.RLock() // a program that inherits the socket would keep the port
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
