package requester_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// How an address of a fakeNetwork behaves; a positive number is the time until it accepts.
const (
	hangs   time.Duration = -1
	refuses time.Duration = -2
)

var errRefused = errors.New("refused")

// fakeNetwork is a resolver and a network in fake time.
type fakeNetwork struct {
	order     []string // what the resolver returns
	addresses map[string]time.Duration

	mu     sync.Mutex
	begin  time.Time
	dialed []string // address and time since the beginning
	open   map[string]int
}

func (n *fakeNetwork) lookup(context.Context, string, string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, s := range n.order {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	return addrs, nil
}

func (n *fakeNetwork) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(addr)
	n.mu.Lock()
	n.dialed = append(n.dialed, host+" "+time.Since(n.begin).String())
	n.mu.Unlock()
	switch d := n.addresses[host]; d {
	case refuses:
		return nil, &net.OpError{Op: "dial", Net: host, Err: errRefused}
	case hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		time.Sleep(d) // without regard to ctx, as a connection that is accepted while it is given up
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open[host]++
	client, server := net.Pipe()
	return &fakeConn{Conn: client, closed: func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.open[host]--
		server.Close()
	}, host: host}, nil
}

type fakeConn struct {
	net.Conn
	host   string
	closed func()
	once   sync.Once
}

func (c *fakeConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

func TestDial(t *testing.T) {
	const (
		a4, b4 = "192.0.2.1", "192.0.2.2"
		a6, b6 = "2001:db8::1", "2001:db8::2"
	)
	tests := []struct {
		name      string
		order     []string
		addresses map[string]time.Duration
		timeout   time.Duration
		dialed    []string
		want      string // the address that is connected, or the error
		after     time.Duration
	}{
		{"first address accepts", []string{a4, b4}, map[string]time.Duration{a4: 0, b4: 0}, 5 * time.Second,
			[]string{a4 + " 0s"}, a4, 0},
		{"first address hangs", []string{a4, b4}, map[string]time.Duration{a4: hangs, b4: 0},
			5 * time.Second,
			[]string{a4 + " 0s", b4 + " 250ms"}, b4, 250 * time.Millisecond},
		{"first IPv6 address hangs", []string{a6, b6}, map[string]time.Duration{a6: hangs, b6: 0},
			5 * time.Second,
			[]string{a6 + " 0s", b6 + " 250ms"}, b6, 250 * time.Millisecond},
		{"first address refuses", []string{a4, b4}, map[string]time.Duration{a4: refuses, b4: 0},
			5 * time.Second,
			[]string{a4 + " 0s", b4 + " 0s"}, b4, 0},
		{"families alternate", []string{a6, b6, a4, b4},
			map[string]time.Duration{a6: hangs, a4: hangs, b6: hangs, b4: 0}, 5 * time.Second,
			[]string{a6 + " 0s", a4 + " 250ms", b6 + " 500ms", b4 + " 750ms"}, b4, 750 * time.Millisecond},
		{"IPv4 first", []string{a4, a6, b6}, map[string]time.Duration{a4: refuses, a6: refuses, b6: 0},
			5 * time.Second,
			[]string{a4 + " 0s", a6 + " 0s", b6 + " 0s"}, b6, 0},
		{"slow first address wins", []string{a4, b4},
			map[string]time.Duration{a4: 300 * time.Millisecond,
				b4: 200 * time.Millisecond}, 5 * time.Second,
			[]string{a4 + " 0s", b4 + " 250ms"}, a4, 300 * time.Millisecond},
		{"all refuse", []string{a4, b4, a6},
			map[string]time.Duration{a4: refuses, b4: refuses, a6: refuses}, 5 * time.Second,
			[]string{a4 + " 0s", a6 + " 0s", b4 + " 0s"}, "dial " + a4 + ": refused", 0},
		{"refusal while another hangs", []string{a4, b4}, map[string]time.Duration{a4: hangs, b4: refuses},
			time.Second,
			[]string{a4 + " 0s", b4 + " 250ms"}, "dial " + b4 + ": refused", time.Second},
		{"all hang", []string{a4, a6}, map[string]time.Duration{a4: hangs, a6: hangs}, 3 * time.Second,
			[]string{a4 + " 0s", a6 + " 250ms"}, "context deadline exceeded", 3 * time.Second},
		{"short timeout", []string{a4, b4}, map[string]time.Duration{a4: hangs, b4: 0},
			300 * time.Millisecond,
			[]string{a4 + " 0s", b4 + " 100ms"}, b4, 100 * time.Millisecond},
		{"duplicates", []string{a4, "::ffff:" + a4, a4, b4}, map[string]time.Duration{a4: refuses, b4: 0},
			5 * time.Second,
			[]string{a4 + " 0s", b4 + " 0s"}, b4, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &fakeNetwork{order: tt.order, addresses: tt.addresses, begin: time.Now(),
					open: map[string]int{}}
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				conn, err := requester.Dial(ctx, "platform.example:443", n.lookup, n.dial)
				assert.Equal(t, tt.after, time.Since(n.begin))
				n.mu.Lock()
				assert.Equal(t, tt.dialed, n.dialed)
				n.mu.Unlock()
				open := map[string]int{}
				if err != nil {
					assert.EqualError(t, err, tt.want)
				} else {
					assert.Equal(t, tt.want, conn.(*fakeConn).host)
					open[tt.want] = 1
				}
				// The bubble ends only when all goroutines have ended.
				time.Sleep(time.Minute)
				n.mu.Lock()
				for host, connections := range n.open {
					assert.Equal(t, open[host], connections, "open connections to %s", host)
				}
				n.mu.Unlock()
				if err == nil {
					require.NoError(t, conn.Close())
				}
			})
		})
	}
}

func TestDial_manyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNetwork{addresses: map[string]time.Duration{}, begin: time.Now(), open: map[string]int{}}
		for i := range 100 {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()
			n.order = append(n.order, addr)
			n.addresses[addr] = hangs
		}
		n.addresses["192.0.2.31"] = 0 // the last that is tried
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		conn, err := requester.Dial(ctx, "platform.example:443", n.lookup, n.dial)
		require.NoError(t, err)
		assert.Less(t, time.Since(n.begin), 5*time.Second)
		n.mu.Lock()
		assert.Len(t, n.dialed, 32)
		n.mu.Unlock()
		require.NoError(t, conn.Close())
	})
}

func TestDial_lookup(t *testing.T) {
	n := &fakeNetwork{addresses: map[string]time.Duration{"192.0.2.1": 0}, open: map[string]int{}}
	t.Run("literal address", func(t *testing.T) {
		never := func(context.Context, string, string) ([]netip.Addr, error) { panic("looked up") }
		conn, err := requester.Dial(t.Context(), "192.0.2.1:443", never, n.dial)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	})
	t.Run("no addresses", func(t *testing.T) {
		_, err := requester.Dial(t.Context(), "platform.example:443", n.lookup, n.dial)
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		assert.True(t, dns.IsNotFound)
		assert.Equal(t, "platform.example", dns.Name)
	})
	t.Run("failure", func(t *testing.T) {
		failure := &net.DNSError{Err: "server misbehaving", Name: "platform.example"}
		fails := func(context.Context, string, string) ([]netip.Addr, error) { return nil, failure }
		_, err := requester.Dial(t.Context(), "platform.example:443", fails, n.dial)
		assert.ErrorIs(t, err, failure)
	})
}
