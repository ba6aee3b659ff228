//go:build !mutation

package health_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	goodAccount = `{"id":"1","balance":121.3,"public_name":{"EN":"Jack Smith"}}`
	jsonType    = "Content-Type: application/json\n"
)

// A conversation is the server's side of one connection. It returns when gone is closed, at the
// latest; then the connection is closed.
type conversation func(conn net.Conn, gone <-chan struct{})

// faultServer is a listener on loopback with a replaceable conversation.
type faultServer struct {
	listener net.Listener
	gone     chan struct{}
	wg       sync.WaitGroup
	current  atomic.Pointer[conversation]
	accepted func() // called for every connection; may be nil

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newFaultServer(t testing.TB, first conversation, accepted func()) *faultServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &faultServer{
		listener: listener, gone: make(chan struct{}), accepted: accepted, conns: map[net.Conn]struct{}{},
	}
	s.will(first)
	s.wg.Go(s.serve)
	t.Cleanup(s.close)
	return s
}

func (s *faultServer) will(c conversation) { s.current.Store(&c) }

func (s *faultServer) addr() string { return s.listener.Addr().String() }

func (s *faultServer) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		if s.accepted != nil {
			s.accepted()
		}
		talk := *s.current.Load()
		s.wg.Go(func() {
			talk(conn, s.gone)
			conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

func (s *faultServer) close() {
	close(s.gone)
	s.listener.Close()
	s.mu.Lock()
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// afterRequest reads a request before it talks.
func afterRequest(talk conversation) conversation {
	return func(conn net.Conn, gone <-chan struct{}) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		talk(conn, gone)
	}
}

// sends answers with raw, except that "\n" at the end of a header line becomes "\r\n".
func sends(raw string) conversation {
	return afterRequest(func(conn net.Conn, _ <-chan struct{}) { send(conn, raw) })
}

func send(conn net.Conn, raw string) {
	head, body, _ := strings.Cut(raw, "\n\n")
	if strings.Contains(raw, "\n\n") {
		body = "\r\n\r\n" + body
	}
	_, _ = io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n")+body)
}

// answers sends a whole answer. The headers are lines of the form "Name: value\n".
func answers(status int, headers, body string) conversation {
	return sends(rawAnswer(status, headers, body))
}

func rawAnswer(status int, headers, body string) string {
	length := fmt.Sprintf("Content-Length: %d\n", len(body))
	if status == http.StatusNoContent {
		length = ""
	}
	return fmt.Sprintf("HTTP/1.1 %d %s\nConnection: close\n%s%s\n%s",
		status, http.StatusText(status), headers, length, body)
}

// cutAfter sends the beginning of an answer, and then resets or closes the connection.
func cutAfter(raw string, reset bool) conversation {
	return afterRequest(func(conn net.Conn, _ <-chan struct{}) {
		send(conn, raw)
		if reset {
			// What was sent must arrive, or the fault is elsewhere.
			time.Sleep(20 * time.Millisecond)
			resetConn(conn)
		}
	})
}

func resetConn(conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// drips sends the beginning at once and then the rest byte by byte, again and again.
func drips(begin, rest string, every time.Duration) conversation {
	return afterRequest(func(conn net.Conn, gone <-chan struct{}) {
		send(conn, begin)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ticker.C:
			case <-gone:
				return
			}
			if _, err := conn.Write([]byte{rest[i%len(rest)]}); err != nil {
				return
			}
		}
	})
}

// silence reads and sends nothing.
func silence(conn net.Conn, _ <-chan struct{}) {
	_, _ = io.Copy(io.Discard, conn)
}

// overTLS has the conversation after a TLS handshake.
func overTLS(config *tls.Config, talk conversation) conversation {
	return func(conn net.Conn, gone <-chan struct{}) {
		secure := tls.Server(conn, config)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if secure.HandshakeContext(ctx) != nil {
			return
		}
		talk(secure, gone)
		secure.Close()
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{cert, key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// server returns the configuration of a server with a certificate for name, valid from begin to
// end.
func (a *authority) server(
	t testing.TB, name string, begin, end time.Time, protocols ...string,
) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: begin, NotAfter: end, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   protocols,
	}
}

// nameServer is a DNS server. By default every name is 127.0.0.1.
type nameServer struct {
	conn net.PacketConn
	mode atomic.Int32
	wg   sync.WaitGroup
}

const (
	namesResolve int32 = iota
	namesUnknown
	namesFail
	namesSilent
)

func newNameServer(t testing.TB) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &nameServer{conn: conn}
	s.wg.Go(s.serve)
	t.Cleanup(func() {
		conn.Close()
		s.wg.Wait()
	})
	return s
}

func (s *nameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := s.answer(buf[:n]); answer != nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

// answer builds a DNS message (RFC 1035, section 4.1) from a query of one question.
func (s *nameServer) answer(query []byte) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root label, type and class
	if end > len(query) || s.mode.Load() == namesSilent {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[end-4:])
	answer := append([]byte(nil), query[:end]...)
	answer[2], answer[3] = 0x84, 0 // an authoritative answer
	copy(answer[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0})
	switch s.mode.Load() {
	case namesUnknown:
		answer[3] = 3
	case namesFail:
		answer[3] = 2
	default:
		if kind == 1 {
			answer[7] = 1
			record := []byte{0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1}
			answer = append(answer, record...)
		}
	}
	return answer
}

func (s *nameServer) resolver() *net.Resolver {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}
	return &net.Resolver{PreferGo: true, Dial: dial}
}

// http2Frame is one frame of HTTP/2 (RFC 9113, section 4.1).
func http2Frame(kind, flags byte, stream uint32, payload []byte) []byte {
	frame := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	frame = binary.BigEndian.AppendUint32(frame, stream)
	return append(frame, payload...)
}

const (
	http2Settings = 4
	http2Reset    = 3
	http2GoAway   = 7
	http2Headers  = 1
)

// speaksHTTP2 waits for the headers of a request and then sends the frames. A nil frame closes
// the connection.
func speaksHTTP2(frames ...[]byte) conversation {
	return func(conn net.Conn, gone <-chan struct{}) {
		in := bufio.NewReader(conn)
		if _, err := io.ReadFull(in, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
			return
		}
		_, _ = conn.Write(http2Frame(http2Settings, 0, 0, nil))
		for {
			head := make([]byte, 9)
			if _, err := io.ReadFull(in, head); err != nil {
				return
			}
			length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
			if _, err := io.CopyN(io.Discard, in, length); err != nil {
				return
			}
			if head[3] == http2Headers {
				break
			}
		}
		for _, frame := range frames {
			if frame == nil {
				return
			}
			_, _ = conn.Write(frame)
		}
		silence(conn, gone)
	}
}
