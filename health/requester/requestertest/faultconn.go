package requestertest

import (
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// Delay waits before the answer, on fake time inside a testing/synctest bubble.
func Delay(d time.Duration) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			pause(r, d)
			next.ServeHTTP(w, r)
		})
	}
}

// Hang does not answer. It ends when the client disconnects.
func Hang() Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			abort()
		})
	}
}

// Reset resets the connection instead of answering.
func Reset() Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reset(w) })
	}
}

// Raw sends these bytes, which need not be HTTP, and closes the connection. A body shorter than its
// Content-Length is a truncated answer.
func Raw(data string) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if m, ok := w.(*memoryResponse); ok {
				m.raw(data)
				return
			}
			conn := hijack(w)
			_, _ = conn.Write([]byte(data)) // the client may be gone
			_ = conn.Close()
		})
	}
}

func pause(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		abort()
	}
}

// abort closes the connection without completing the answer.
func abort() { panic(http.ErrAbortHandler) }

// reset makes the client's next read fail with ECONNRESET.
func reset(w http.ResponseWriter) {
	if m, ok := w.(*memoryResponse); ok {
		err := os.NewSyscallError("read", syscall.ECONNRESET)
		m.fail(&net.OpError{Op: "read", Net: "tcp", Err: err})
		return
	}
	conn := hijack(w)
	under := conn
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		under = t.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closing then sends RST in place of FIN
	}
	_ = under.Close()
}

func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		abort() // HTTP/2, or a ResponseWriter that hides its connection
	}
	return conn
}
