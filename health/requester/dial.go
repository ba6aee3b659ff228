package requester

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	// attemptDelay is when the next address is tried while the one before it does not answer,
	// as RFC 8305, section 5, recommends.
	attemptDelay = 250 * time.Millisecond
	// maxAddresses bounds the connections that are attempted at a time.
	maxAddresses = 32
)

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// dialer connects to a name's addresses as RFC 8305 (Happy Eyeballs) describes: one after the
// other, families in turn, without waiting for one that does not answer. A net.Dialer tries the
// addresses of one family in sequence, and a dead first one can use up all of the call's time.
type dialer struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	dial   dialFunc // to a literal address
}

func newDialer() *dialer {
	return &dialer{lookup: net.DefaultResolver.LookupNetIP, dial: (&net.Dialer{}).DialContext}
}

// DialContext returns the first connection that is established. It ends the other attempts.
func (d *dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return d.dial(ctx, network, addr)
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return d.dial(ctx, network, addr)
	}
	found, err := d.lookup(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	var addrs []string
	for _, a := range interleave(found) {
		addrs = append(addrs, net.JoinHostPort(a.String(), port))
	}
	return d.race(ctx, network, addrs)
}

// attempt is how one connection attempt ended.
type attempt struct {
	conn net.Conn
	err  error
}

// race starts an attempt for each address: when the one before it has failed, or at the latest
// after the delay.
func (d *dialer) race(ctx context.Context, network string, addrs []string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan attempt, len(addrs)) // no attempt waits for its receiver
	ticker := time.NewTicker(delayFor(ctx, len(addrs)))
	defer ticker.Stop()

	var first error
	started, running := 0, 0
	start := func() {
		if started == len(addrs) {
			return
		}
		addr := addrs[started]
		started++
		running++
		go func() {
			conn, err := d.dial(ctx, network, addr)
			ended <- attempt{conn, err}
		}()
	}
	for start(); running > 0; {
		select {
		case a := <-ended:
			running--
			if a.err == nil {
				go discard(ended, running)
				return a.conn, nil
			}
			if first == nil {
				first = a.err
			}
			start()
			ticker.Reset(delayFor(ctx, len(addrs)))
		case <-ticker.C:
			start()
		}
	}
	return nil, first
}

// discard closes what the cancelled attempts have still established.
func discard(ended <-chan attempt, running int) {
	for range running {
		if a := <-ended; a.err == nil {
			a.conn.Close()
		}
	}
}

// delayFor leaves each of n addresses a part of the time until ctx ends.
func delayFor(ctx context.Context, n int) time.Duration {
	delay := attemptDelay
	if deadline, ok := ctx.Deadline(); ok {
		delay = min(delay, time.Until(deadline)/time.Duration(n+1))
	}
	return max(delay, time.Millisecond)
}

// interleave alternates between the families, beginning with that of the first address, and
// keeps the resolver's order within each. It leaves out duplicates, and what exceeds
// maxAddresses.
func interleave(addrs []netip.Addr) []netip.Addr {
	var families [2][]netip.Addr
	seen := map[netip.Addr]bool{}
	for _, a := range addrs {
		a = a.Unmap()
		if seen[a] {
			continue
		}
		seen[a] = true
		family := 0
		if a.Is4() != addrs[0].Unmap().Is4() {
			family = 1
		}
		families[family] = append(families[family], a)
	}
	var mixed []netip.Addr
	for i := range addrs {
		for _, family := range families {
			if i < len(family) && len(mixed) < maxAddresses {
				mixed = append(mixed, family[i])
			}
		}
	}
	return mixed
}

// loopbackOnly refuses a connection that leads off this machine before a byte is sent:
// "localhost" is only a name, and can resolve to any address.
func loopbackOnly(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			conn.Close()
			return nil, &notLoopbackError{host: addr, ip: tcp.IP}
		}
		return conn, nil
	}
}

type notLoopbackError struct {
	host string
	ip   net.IP
}

func (e *notLoopbackError) Error() string {
	return fmt.Sprintf(
		"%s is %s, which is not a loopback address: plain http is for this machine only",
		e.host, e.ip)
}

type callKey struct{}

// withCall lets endWithCall find the call: net/http dials without the request's deadline, for a
// later request to use the connection.
func withCall(call context.Context) context.Context {
	return context.WithValue(call, callKey{}, call)
}

// endWithCall ends a connection attempt and the connection, a TLS handshake included, when the
// call that they are for ends. No other call uses them.
func endWithCall(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		call, ok := ctx.Value(callKey{}).(context.Context)
		if !ok {
			return dial(ctx, network, addr)
		}
		conn, err := dial(call, network, addr)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(call, func() { conn.Close() })
		return conn, nil
	}
}
