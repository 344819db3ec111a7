// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// An Addition fetches what an instance publishes and pins it.
type Addition struct {
	Name        string  // of the instance; empty: its host
	Fingerprint string  // the only one to accept; empty: ask
	CACert      *string // PEM file with the certificate authority of its TLS; "": forget it; nil: keep it
	Yes         bool    // accept any fingerprint without asking
	Default     bool    // make it the default instance even if there is one
	Timeout     time.Duration
}

// Run pins the instance at url once its fingerprint has been accepted.
func (f Addition) Run(ctx context.Context, env cli.Environment, url string) error {
	if err := f.check(url); err != nil {
		return err
	}
	if f.Fingerprint == "" && isPlainBeyondLoopback(url) {
		return &fault.Problem{
			Exit: fault.ExitUsage, Subject: url, Code: "plain-http",
			Err: errors.New("over plain HTTP, anyone on the network path can replace the instance by one of their own"),
		}
	}
	h, err := store.Open(env.Getenv)
	if err != nil {
		return err
	}
	if f.Name == "" {
		f.Name = store.Name(url)
	}
	if f.Name == "" {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: url, Code: "usage", Err: errors.New("it is no URL, or names no host"), Remedy: "add-host"}
	}
	dir, err := h.Instance(f.Name)
	if err != nil {
		return err
	}
	authorities, err := f.authorities(dir)
	if err != nil {
		return err
	}
	var roots *x509.CertPool
	if authorities != nil {
		roots = withSystems(authorities)
	}
	m, err := fetchMaterial(ctx, env, url, roots, f.Timeout)
	if err != nil {
		return err
	}
	if err := f.accept(ctx, env, url, dir, m); err != nil {
		return err
	}
	return f.keep(env, h, pin{dir: dir, url: url, material: m, authorities: authorities})
}

// check returns the usage error of a URL or of the fingerprint, if there is one.
func (f Addition) check(url string) error {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		p := &fault.Problem{Exit: fault.ExitUsage, Subject: url, Code: "usage", Err: errors.New("want the URL of an instance, with http:// or https://")}
		address := url
		if _, rest, ok := strings.Cut(url, "://"); ok {
			address = rest
		}
		return p.With("add-scheme", schemeFor(address)+address)
	}
	if raw, err := hex.DecodeString(f.Fingerprint); f.Fingerprint != "" && (err != nil || len(raw) != sha256.Size) {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: "--fingerprint", Code: "usage", Err: fmt.Errorf("want 64 hexadecimal digits without spaces or colons, have %q", f.Fingerprint)}
	}
	return nil
}

// schemeFor returns the scheme to suggest for an address: https://, and http:// for loopback.
func schemeFor(address string) string {
	if isPlainBeyondLoopback("http://" + address) {
		return "https://"
	}
	return "http://"
}

// fetchMaterial fetches what the instance at url publishes.
func fetchMaterial(ctx context.Context, env cli.Environment, url string, roots *x509.CertPool, timeout time.Duration) (*trust.Material, error) {
	m, err := client.Trust(ctx, env.HTTP(roots, timeout), url)
	if errors.Is(err, trust.ErrMalformed) {
		return nil, &fault.Problem{Exit: fault.ExitUndecided, Subject: url, Code: "trust-malformed", Err: err}
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		p := &fault.Problem{Exit: fault.ExitUndecided, Subject: url, Code: "service-unavailable", Err: errors.New("the server answers in plain HTTP, not HTTPS")}
		if address := strings.TrimPrefix(url, "https://"); schemeFor(address) == "http://" {
			return nil, p.With("plain", "http://"+address)
		}
		return nil, p.With("no-tls")
	}
	if err != nil {
		return nil, cli.About(url, err)
	}
	return m, nil
}

// authorities returns the certificate authorities that are given, or those kept in dir.
func (f Addition) authorities(dir string) ([]byte, error) {
	switch {
	case f.CACert == nil:
		return authoritiesIn(dir)
	case *f.CACert == "":
		return nil, nil
	}
	_, kept, err := cli.ReadAuthorities(*f.CACert)
	return kept, err
}

// isPlainBeyondLoopback reports whether a URL is plain HTTP to another machine, where anyone
// on the network could alter responses.
func isPlainBeyondLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

// accept prints the fingerprint of m and checks it against the one given, or asks the user.
func (f Addition) accept(ctx context.Context, env cli.Environment, url, dir string, m *trust.Material) error {
	print := m.Fingerprint()
	env.Say("%s has the fingerprint\n  %s", url, print)
	if all := m.SigningConfig.CertificateAuthorities; len(all) > 0 && all[0].URL != url {
		env.Say("  it has clients sign at %s", all[0].URL)
	}
	if m.LogPolicy != nil {
		env.Say("  it has you ask that its log is cosigned by %s", m.LogPolicy.Quorum.String())
	}
	question := fmt.Sprintf("Trust it as %s?", f.Name)
	if pinned, err := store.Read(dir); err == nil && pinned.Fingerprint() != print {
		question = fmt.Sprintf("Replace the one that is pinned as %s?", f.Name)
		f.sayReplaced(env, pinned, m)
		if pinned.LogPolicy != nil && m.LogPolicy == nil {
			env.Say("  which has you ask that its log is cosigned; this one does not")
		}
	}
	switch {
	case f.Fingerprint != "":
		if !m.Matches(f.Fingerprint) {
			return &fault.Problem{Exit: fault.ExitRefused, Subject: url, Code: "fingerprint-mismatch", Err: errors.New("the instance is not the one that was asked for"), Expected: f.Fingerprint, Found: print}
		}
		return nil
	case f.Yes:
		return nil
	}
	return env.Confirm(ctx, question, "--fingerprint HEX, with what the operator tells you")
}
