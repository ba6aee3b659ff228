package requester

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// apiPath is the prefix of the platform's API, the same in both environments.
const apiPath = "/api/v1"

// parseBaseURL returns scheme, host and port of raw, in lower case. No error shows raw:
// where it is not a URL at all nobody can tell which part of it is a password.
func parseBaseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, errors.New("the URL is empty; leave the option out for the environment's own")
	case err != nil:
		return nil, errors.New("this is not a URL; " + baseURLExample)
	case u.User != nil:
		return nil, errors.New("the URL has user information before an @; remove it, a token goes nowhere but into the Authorization header")
	case u.Scheme == "":
		return nil, errors.New("the URL has no scheme; " + baseURLExample)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the URL's scheme is neither https nor http; " + baseURLExample)
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host; " + baseURLExample)
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("the URL has a query (from the ? on); remove it")
	case strings.Contains(raw, "#"):
		return nil, errors.New("the URL has a fragment (from the # on); remove it")
	}
	host, err := normalHost(u)
	if err != nil {
		return nil, err
	}
	switch u.EscapedPath() {
	case "", "/", apiPath, apiPath + "/":
	default:
		return nil, fmt.Errorf("the URL has a path other than %s; remove it, the client appends %s by itself", apiPath, apiPath)
	}
	if u.Scheme == "http" && !mayBePlain(u.Hostname()) {
		return nil, fmt.Errorf("plain http to %q would show the token to the network; "+
			"use https (http is only for a loopback address, 127.0.0.0/8 or [::1], and exactly localhost)", u.Hostname())
	}
	return &url.URL{Scheme: u.Scheme, Host: host}, nil
}

const baseURLExample = "write it like https://toloka.dev or http://127.0.0.1:9000"

// normalHost is u's host in lower case, with the port if there is one.
func normalHost(u *url.URL) (string, error) {
	name := strings.ToLower(u.Hostname())
	if strings.Contains(name, ":") {
		// An address with a zone is refused too: it is meaningful to this machine alone.
		addr, err := netip.ParseAddr(name)
		if err != nil || addr.Zone() != "" {
			return "", errors.New("the URL's host is not an IPv6 address")
		}
		name = "[" + addr.String() + "]"
	} else if !isHostName(name) {
		return "", errors.New("the URL's host has characters that no host name has; write an international name in its ASCII form (xn--…)")
	}
	port := u.Port()
	if port == "" {
		if strings.HasSuffix(u.Host, ":") {
			return "", errors.New("the URL's port is missing after the colon")
		}
		return name, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("the URL's port is not a number from 1 to 65535")
	}
	return name + ":" + strconv.FormatUint(n, 10), nil
}

func isHostName(name string) bool {
	named := false
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			named = true
		case c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return named
}

// mayBePlain reports whether host is on this machine by its very spelling. Anything that
// has to be resolved or completed to find that out (127.1, LOCALHOST, localhost.) is
// treated differently by proxy settings and resolvers, and is not worth a guess.
func mayBePlain(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && !addr.Is4In6() && addr.IsLoopback()
}

// covers reports whether u and the Host of a request to it are those of base.
func covers(base, u *url.URL, host string) bool {
	if u == nil || u.Opaque != "" || !strings.EqualFold(u.Scheme, base.Scheme) || !sameHost(base, u.Host) {
		return false
	}
	return host == "" || sameHost(base, host)
}

func sameHost(base *url.URL, host string) bool {
	other := &url.URL{Scheme: base.Scheme, Host: host}
	return base.Hostname() == effectiveName(other) && effectivePort(base) == effectivePort(other)
}

// effectiveName is the name that a connection is made to, in the spelling that normalHost
// has left in a base URL: an address can be written in many ways.
func effectiveName(u *url.URL) string {
	name := strings.ToLower(u.Hostname())
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.String()
	}
	return name
}

// effectivePort is the port that a connection is made to: a leading zero does not make it another one.
func effectivePort(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			return strconv.FormatUint(n, 10)
		}
		return port
	case u.Scheme == "http":
		return "80"
	default:
		return "443"
	}
}
