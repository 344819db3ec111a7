// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A pattern matches the URLs of issuers of one kind, such as those of all clusters of a
// cloud:
//
//	https://oidc.eks.*.amazonaws.com/id/*
//
// A star stands for one label of the host or one segment of the path: letters, digits,
// dashes and underscores. A URL matches as a whole.
type pattern string

// isPattern reports whether the URL of an issuer is a pattern.
func isPattern(text string) bool { return strings.Contains(text, "*") }

// check refuses patterns that match more than their author can mean: without https, or
// with a star among the last two labels of the host.
func (p pattern) check() error {
	u, err := url.Parse(strings.ReplaceAll(string(p), "*", "x"))
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("not the URL of an issuer with https")
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(string(p), "https://"), "/")
	labels := strings.Split(host, ".")
	if len(labels) < 3 || strings.Contains(strings.Join(labels[len(labels)-2:], "."), "*") {
		return errors.New("a star can't stand for one of the last two labels of the host")
	}
	return nil
}

// compile returns the expression for the whole of an issuer's URL.
func (p pattern) compile() *regexp.Regexp {
	return regexp.MustCompile(`\A` + strings.ReplaceAll(regexp.QuoteMeta(string(p)), `\*`, `[-_a-zA-Z0-9]+`) + `\z`)
}

// maxMatched bounds how many issuers that match patterns are remembered.
const maxMatched = 1024

// matched holds the issuers that matched patterns, with their keys.
type matched struct {
	mu  sync.Mutex
	all map[string]*trusted
}

// of returns the issuer with this URL, which is that of pattern with other keys.
func (m *matched) of(issuer string, t *trusted, make func(Issuer) *keys) *trusted {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.all[issuer]; known != nil {
		return known
	}
	if len(m.all) >= maxMatched {
		m.drop()
	}
	one := *t
	one.URL = issuer
	one.keys = make(one.Issuer)
	m.all[issuer] = &one
	return &one
}

// drop makes room. It drops issuers without keys first, since an attacker can invent any
// number of tokens that name such issuers.
func (m *matched) drop() {
	maps.DeleteFunc(m.all, func(_ string, t *trusted) bool { return !t.keys.hasFetched() })
	for issuer := range m.all {
		if len(m.all) < maxMatched {
			return
		}
		delete(m.all, issuer)
	}
}

// errPrivate refuses an address that only this machine or its network has.
var errPrivate = errors.New("address is not public")

// publicClient returns a client that connects to public addresses alone. It is used for
// issuers that tokens name: without it, a stranger's token would make requests inside of
// the network. The address is checked when the connection is made, so a name that
// resolves to another address the second time gains nothing.
func publicClient() *http.Client {
	dialer := &net.Dialer{Timeout: fetchTime, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !isPublic(ap.Addr()) {
			return fmt.Errorf("connecting to %s: %w", address, errPrivate)
		}
		return nil
	}}
	return &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchTime, ResponseHeaderTimeout: fetchTime,
		MaxIdleConns: 16, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
	}}
}

// special has networks that are not public beyond those that package netip knows: shared
// addresses (RFC 6598), protocol assignments and documentation (RFC 5736, RFC 5737, RFC
// 3849), benchmarks (RFC 2544), reserved ones (RFC 1112), and IPv6 addresses that carry
// IPv4 ones (RFC 6052, RFC 3056, RFC 4380).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2001:db8::/32"),
}

func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
