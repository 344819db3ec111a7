package oidc

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

// Types of issuers.
const (
	Email = "email" // people, by a verified address
	URI   = "uri"   // sub is a URI
)

// Issuer is an issuer that is believed.
type Issuer struct {
	URL           string // as tokens say it in iss
	Audience      string // as tokens say it in aud
	Type          string // Email or URI
	SubjectDomain string // of a URI issuer: scheme and host of its subjects

	// EmailVerifiedString takes the string "true" in the claim email_verified for true.
	EmailVerifiedString bool

	// Keys verify the tokens of the built-in issuer; nil: by discovery.
	Keys []crypto.PublicKey
}

// Options are what a Checker needs.
type Options struct {
	Issuers []Issuer

	// Client asks issuers for their keys; nil: one of its own. It is given limits
	// of time and size, and follows no redirect.
	Client *http.Client

	Clock  func() time.Time // nil: time.Now
	Logger *slog.Logger     // gets fetched keys and failures to; nil: nowhere
}

// refusal is why a token is not believed.
type refusal string

// Error returns the reason, which never quotes the token.
func (r refusal) Error() string { return string(r) }

// ForClient returns the reason, for whoever has sent the token.
func (r refusal) ForClient() string { return string(r) }

// unavailable is an issuer that could not be asked: answer 503.
type unavailable struct{ err error }

// Error gives the cause.
func (u unavailable) Error() string { return u.err.Error() }

// Unwrap gives the cause.
func (u unavailable) Unwrap() error { return u.err }

// Unavailable says that nothing is known of the token.
func (u unavailable) Unavailable() bool { return true }

// Checker checks tokens. It is for any number of goroutines.
type Checker struct {
	clock   func() time.Time
	issuers map[string]*trusted
	order   []*trusted // as configured

	verified signatures
}

// trusted is an issuer with its keys.
type trusted struct {
	Issuer
	domain *url.URL // of SubjectDomain
	keys   *keys
}

// New checks the configuration. No issuer is asked yet.
func New(o Options) (*Checker, error) {
	c := &Checker{clock: o.Clock, issuers: map[string]*trusted{}}
	if c.clock == nil {
		c.clock = time.Now
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	client := limitedClient(o.Client)
	for _, issuer := range o.Issuers {
		t, err := newTrusted(issuer)
		if err != nil {
			return nil, fmt.Errorf("configuring issuer %q: %w", issuer.URL, err)
		}
		if c.issuers[issuer.URL] != nil {
			return nil, fmt.Errorf("configuring issuer %q: comes twice", issuer.URL)
		}
		t.keys = newKeys(issuer, client, c.clock, logger)
		c.issuers[issuer.URL] = t
		c.order = append(c.order, t)
	}
	return c, nil
}

func newTrusted(issuer Issuer) (*trusted, error) {
	u, err := url.Parse(issuer.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("not the URL of an issuer")
	}
	// The built-in issuer's keys are at hand: nothing crosses a network.
	if issuer.Keys == nil && !isSafe(u) {
		return nil, errors.New("an issuer beyond this machine needs https")
	}
	if issuer.Audience == "" {
		return nil, errors.New("no audience")
	}
	t := &trusted{Issuer: issuer}
	switch issuer.Type {
	case Email:
		if issuer.SubjectDomain != "" {
			return nil, errors.New("a subject domain is for URI issuers")
		}
	case URI:
		if t.domain, err = parseDomain(issuer.SubjectDomain); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("type %q is neither email nor uri", issuer.Type)
	}
	return t, nil
}

// isSafe: https, or http that does not leave the machine.
func isSafe(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}

// parseDomain reads scheme://host, which may have a port and nothing else.
func parseDomain(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || text != u.Scheme+"://"+u.Host {
		return nil, fmt.Errorf("subject domain %q is not SCHEME://HOST", text)
	}
	return u, nil
}

// Check returns whom a token is about, and the claims of which the holder of a key must
// sign one to prove possession. An error is a refusal of the token, unless its chain has
// Unavailable() bool.
func (c *Checker) Check(ctx context.Context, token string) (id identity.Identity, challenges []string, err error) {
	header, claims, err := parse(token)
	if err == nil {
		id, err = c.check(ctx, token, header, claims)
	}
	if err != nil {
		return identity.Identity{}, nil, fmt.Errorf("checking ID token: %w", err)
	}
	return id, claims.challenges(), nil
}

func (c *Checker) check(ctx context.Context, token string, header header, claims claims) (identity.Identity, error) {
	id, err := c.believe(ctx, token, header, claims)
	if err != nil {
		return id, &refused{claims, err}
	}
	return id, nil
}

// refused is why a token is not believed, or can't be checked, with what it claims.
type refused struct {
	claims claims
	err    error
}

// Error gives the cause.
func (r *refused) Error() string { return r.err.Error() }

// Unwrap gives the cause.
func (r *refused) Unwrap() error { return r.err }

// Claimed says whom the token is for, as it claims: for logs alone.
func (r *refused) Claimed() (account, issuer string) {
	return cmp.Or(r.claims.Email, r.claims.Subject), r.claims.Issuer
}

// believe checks a token that has been parsed.
func (c *Checker) believe(ctx context.Context, token string, header header, claims claims) (identity.Identity, error) {
	t := c.issuers[claims.Issuer]
	if t == nil {
		return identity.Identity{}, refusal("claim iss is none of the issuers that this authority knows: " + c.names())
	}
	if err := claims.check(t.Audience, c.clock()); err != nil {
		return identity.Identity{}, err
	}
	keys, err := t.keys.find(ctx, header.KeyID)
	if err != nil {
		return identity.Identity{}, err
	}
	if err := c.verify(ctx, t, token, keys); err != nil {
		return identity.Identity{}, err
	}
	return t.identity(claims)
}

// maxNamed is how many issuers a refusal names.
const maxNamed = 3

// names returns the issuers in words.
func (c *Checker) names() string {
	var all []string
	for i, t := range c.order {
		if i == maxNamed {
			return strings.Join(all, ", ") + fmt.Sprintf(" and %d more", len(c.order)-maxNamed)
		}
		all = append(all, t.URL)
	}
	return strings.Join(all, ", ")
}

// verify has the library verify the signature, and check all of it once more on
// the bytes that are signed: those that parse has read. A token that has been
// verified with this very key is not verified again.
func (c *Checker) verify(ctx context.Context, t *trusted, token string, keys []crypto.PublicKey) error {
	s, memorable := signatureOf(token, keys)
	if memorable && c.verified.has(s) {
		return nil
	}
	verifier := oidc.NewVerifier(t.URL, &oidc.StaticKeySet{PublicKeys: keys}, &oidc.Config{
		ClientID: t.Audience, SupportedSigningAlgs: algorithms(), Now: func() time.Time { return c.clock().Add(-leeway) },
	})
	if _, err := verifier.Verify(ctx, token); err != nil {
		return refusal("token does not verify with the issuer's keys") // err may quote claims
	}
	if memorable {
		c.verified.add(s)
	}
	return nil
}

// Configuration is what the certificate authority tells clients of the issuers.
func (c *Checker) Configuration() fulcio.Configuration {
	issuers := make([]fulcio.Issuer, len(c.order))
	for i, t := range c.order {
		claim := "sub"
		if t.Type == Email {
			claim = "email"
		}
		issuers[i] = fulcio.Issuer{
			URL: t.URL, Audience: t.Audience, ChallengeClaim: claim, Type: t.Type, SubjectDomain: t.SubjectDomain,
		}
	}
	return fulcio.Configuration{Issuers: issuers}
}
