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

// parseBaseURL returns scheme, host and port of raw, in lower case. No error shows raw: in text
// that is not a URL, any part can be a password.
func parseBaseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, errors.New("the URL is empty; leave the option out for the environment's own")
	case err != nil:
		return nil, errors.New("this is not a URL; " + baseURLExample)
	case u.User != nil:
		return nil, errors.New("the URL has a user or password before an @; remove it, " +
			"the token is sent in the Authorization header only")
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
		return nil, fmt.Errorf("the URL has a path other than %s; remove it, the client appends %s",
			apiPath, apiPath)
	}
	if u.Scheme == "http" && !mayBePlain(u.Hostname()) {
		return nil, fmt.Errorf("plain http to %q would show the token to the network; "+
			"use https (http is only for a loopback address, 127.0.0.0/8 or [::1], "+
			"and exactly localhost)",
			u.Hostname())
	}
	return &url.URL{Scheme: u.Scheme, Host: host}, nil
}

const baseURLExample = "write it like https://toloka.dev or http://127.0.0.1:9000"

// normalHost returns u's host in lower case, with the port if there is one.
func normalHost(u *url.URL) (string, error) {
	name := lowerASCII(u.Hostname())
	if strings.Contains(name, ":") {
		// An address with a zone is refused too: it has a meaning on this machine only.
		addr, err := netip.ParseAddr(name)
		if err != nil || addr.Zone() != "" {
			return "", errors.New("the URL's host is not an IPv6 address")
		}
		name = "[" + addr.String() + "]"
	} else if !isHostName(name) {
		return "", errors.New("the URL's host is not a host name; " +
			"write an international name in its ASCII form (xn--…)")
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

// mayBePlain reports whether host is on this machine by its spelling alone. What has to be
// resolved or completed to know that (127.1, LOCALHOST, localhost.) is treated differently by
// proxy settings and resolvers, and is refused.
func mayBePlain(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && !addr.Is4In6() && addr.IsLoopback()
}

// covers reports whether u and the Host field of a request to it are those of base.
func covers(base, u *url.URL, host string) bool {
	if u == nil || u.Opaque != "" || u.Scheme != base.Scheme || !sameHost(base, u.Host) {
		return false
	}
	if base.Scheme == "http" && !mayBePlain(u.Hostname()) {
		return false // a proxy would see the token
	}
	return host == "" || sameHost(base, host)
}

// sameHost compares with base, which normalHost has normalized, as net/http connects.
func sameHost(base *url.URL, host string) bool {
	other := &url.URL{Scheme: base.Scheme, Host: host}
	return base.Hostname() == comparableName(other) && effectivePort(base) == effectivePort(other)
}

// comparableName returns the name of u as normalHost writes it, and "" for one that no base URL
// has. Case folding by Unicode would turn names of other domains into ASCII.
func comparableName(u *url.URL) string {
	name := lowerASCII(u.Hostname())
	if !strings.Contains(name, ":") && !strings.HasPrefix(u.Host, "[") {
		return name
	}
	addr, err := netip.ParseAddr(name)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return ""
	}
	return addr.String()
}

func lowerASCII(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + ('a' - 'A')
		}
		return c
	}, s)
}

// effectivePort returns the port that a connection is made to, without leading zeros.
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
