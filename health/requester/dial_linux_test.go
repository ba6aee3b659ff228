package requester_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// TestClient_Requester_deadAddress has a name with several addresses, of which only the last
// accepts connections: the accept queues of the others are full, so Linux drops each SYN.
func TestClient_Requester_deadAddress(t *testing.T) {
	tests := []struct {
		name string
		dead []string
		live string
	}{
		{"IPv4", []string{"127.0.0.2"}, "127.0.0.3"},
		{"three of IPv4", []string{"127.0.0.4", "127.0.0.5", "127.0.0.6"}, "127.0.0.7"},
		{"IPv6 before IPv4", []string{"::1"}, "127.0.0.8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			platform := requestertest.NewPlatform()
			cert := certificate(t, time.Now().Add(-time.Hour), x509.ExtKeyUsageServerAuth, "platform.test")
			listener, err := net.Listen("tcp", net.JoinHostPort(tt.live, "0"))
			require.NoError(t, err)
			server := httptest.NewUnstartedServer(platform)
			server.Listener.Close()
			server.Listener = listener
			server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()

			port := listener.Addr().(*net.TCPAddr).Port
			for _, addr := range tt.dead {
				listenDead(t, addr, port)
			}
			dns := serveDNS(t, append(tt.dead, tt.live))
			pool := x509.NewCertPool()
			pool.AddCert(cert.Leaf)
			client := mustClient(t, requester.WithBaseURL("https://platform.test:"+strconv.Itoa(port)))
			client.TrustAndResolve(pool, dns)

			begin := time.Now()
			account, err := client.Requester(t.Context(), platform.IssueToken(""))
			require.NoError(t, err)
			assert.Equal(t, "Jack Smith", account.Name())
			assert.Equal(t, 1, platform.Count())
			least := time.Duration(len(tt.dead)) * 250 * time.Millisecond
			assert.GreaterOrEqual(t, time.Since(begin), least, "the dead addresses are tried first")
			assert.Less(t, time.Since(begin), requester.DefaultTimeout)
		})
	}
}

// listenDead listens with a full accept queue. It fails the test if a connection still succeeds.
func listenDead(t *testing.T, addr string, port int) {
	t.Helper()
	ip := netip.MustParseAddr(addr)
	family := syscall.AF_INET
	var at syscall.Sockaddr = &syscall.SockaddrInet4{Port: port, Addr: [4]byte(ip.AsSlice()[:4])}
	if ip.Is6() {
		family = syscall.AF_INET6
		at = &syscall.SockaddrInet6{Port: port, Addr: ip.As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, at))
	require.NoError(t, syscall.Listen(fd, 0))
	for range 10 {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(addr, strconv.Itoa(port)),
			100*time.Millisecond)
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			return
		}
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Fatalf("%s accepts more connections than its queue holds", addr)
}

// serveDNS answers every question with the addresses of its type, in their order, over UDP.
func serveDNS(t *testing.T, addrs []string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(dnsAnswer(buf[:n], addrs), from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-served
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// dnsAnswer returns the answer to a query with one question.
func dnsAnswer(query []byte, addrs []string) []byte {
	const (
		header  = 12
		typeA   = 1
		typeA6  = 28
		pointer = 0xc00c // to the name of the question
	)
	end := header
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root label, type and class
	question := query[header:end]
	kind := binary.BigEndian.Uint16(question[len(question)-4:])

	var records []byte
	var count uint16
	for _, s := range addrs {
		ip := netip.MustParseAddr(s)
		if ip.Is4() && kind != typeA || ip.Is6() && kind != typeA6 {
			continue
		}
		count++
		records = binary.BigEndian.AppendUint16(records, pointer)
		records = append(records, question[len(question)-4:]...)
		records = binary.BigEndian.AppendUint32(records, 60)
		records = binary.BigEndian.AppendUint16(records, uint16(len(ip.AsSlice())))
		records = append(records, ip.AsSlice()...)
	}
	answer := append([]byte{}, query[:2]...)
	answer = append(answer, 0x81, 0x80, 0, 1)
	answer = binary.BigEndian.AppendUint16(answer, count)
	answer = append(answer, 0, 0, 0, 0)
	answer = append(answer, question...)
	return append(answer, records...)
}

// A call that ends during a connection attempt or a handshake leaves no goroutine and no
// connection behind: goleak in TestMain finds the first.
func TestClient_Requester_endsWithTheCall(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	base := "https://" + listener.Addr().String()
	client := mustClient(t, requester.WithBaseURL(base), requester.WithTimeout(time.Minute))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := client.Requester(ctx, mustToken(t, apiKey))
		ended <- err
	}()
	conn, err := listener.Accept()
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	cancel()
	assert.Equal(t, requester.Cancelled, requester.ClassOf(<-ended))
	hello, err := io.ReadAll(conn) // until the client closes it
	assert.NoError(t, err)
	assert.False(t, strings.Contains(string(hello), apiKey))
}
