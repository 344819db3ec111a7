// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/claims"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

// Types of issuers.
const (
	typeEmail      = "email"      // people, by a verified address
	typeURI        = "uri"        // sub is a URI
	typeUsername   = "username"   // people, by a name that is unique in a domain
	typeSPIFFE     = "spiffe"     // workloads, by their SPIFFE ID
	typeKubernetes = "kubernetes" // service accounts of a cluster
	Service        = "service"    // jobs of a CI service
)

// An Issuer is a trusted issuer.
type Issuer struct {
	URL           string // iss of its tokens
	Audience      string // aud of its tokens
	Type          string
	SubjectDomain string // URI: scheme and host of the subjects; Username: their domain
	TrustDomain   string // SPIFFE: of the subjects

	Service claims.Service // Service: maps its claims
	Rules   claims.Rules   // whose tokens get a certificate

	// EmailVerifiedString also accepts the string "true" in the claim
	// email_verified.
	EmailVerifiedString bool

	// Keys verify the tokens of the built-in issuer. Nil means KeysFile, then KeysURL,
	// then discovery.
	Keys     []crypto.PublicKey
	KeysFile string // file with a JSON Web Key Set, which is read again when keys are no longer fresh
	KeysURL  string // URL of one

	// CACertificates verify the issuer's TLS certificate. Nil means those of the system.
	CACertificates *x509.CertPool

	// BearerFile is a file with a token that requests for keys carry, as the API server
	// of a Kubernetes cluster demands. It is read for each request.
	BearerFile string
}

// Options holds the settings of a [Checker].
type Options struct {
	Issuers []Issuer

	// Client requests the keys of issuers. Nil means a default client. Limits of
	// time and size are set, and redirects are not followed.
	Client *http.Client

	Clock  func() time.Time // nil means time.Now
	Logger *slog.Logger     // logs fetches of keys; may be nil
}

// A refusal is the reason why a token is refused. It never quotes the token.
type refusal = claims.Refusal

// unavailable reports that an issuer could not be reached. A server responds
// with 503.
type unavailable struct{ err error }

// Error returns the cause.
func (u unavailable) Error() string { return u.err.Error() }

// Unwrap returns the cause.
func (u unavailable) Unwrap() error { return u.err }

// Unavailable reports that the token could not be checked.
func (u unavailable) Unavailable() bool { return true }

// A Checker checks tokens. It is safe for concurrent use.
type Checker struct {
	clock          func() time.Time
	logger         *slog.Logger
	client, public *http.Client

	state    atomic.Pointer[state]
	verified signatures
}

// A state holds the issuers that a Checker trusts. Only the issuers that matched patterns
// change after it was made.
type state struct {
	issuers map[string]*trusted
	order   []*trusted // as configured
	matched matched    // issuers by patterns
	keysOf  func(Issuer) *keys
}

// A trusted is an issuer with its keys.
type trusted struct {
	Issuer
	match *regexp.Regexp // of a pattern; nil: URL is that of one issuer
	keys  *keys
}

// New returns a checker after checking the configuration. It sends no requests.
func New(o Options) (*Checker, error) {
	c := &Checker{clock: o.Clock, logger: o.Logger, client: limitedClient(o.Client), public: limitedClient(publicClient())}
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	return c, c.Replace(o.Issuers)
}

// Replace replaces the trusted issuers. An issuer with unchanged settings keeps its fetched
// keys. If an issuer is invalid, nothing changes.
func (c *Checker) Replace(issuers []Issuer) error {
	next := &state{
		issuers: map[string]*trusted{}, matched: matched{all: map[string]*trusted{}},
		keysOf: func(i Issuer) *keys { return newKeys(i, c.public, c.clock, c.logger) },
	}
	before := c.state.Load()
	for _, issuer := range issuers {
		t, err := newTrusted(issuer)
		if err != nil {
			return fmt.Errorf("configuring issuer %q: %w", issuer.URL, err)
		}
		if next.issuers[issuer.URL] != nil {
			return fmt.Errorf("configuring issuer %q: occurs twice", issuer.URL)
		}
		t.keys = newKeys(issuer, c.client, c.clock, c.logger)
		if before != nil && before.issuers[issuer.URL] != nil && before.issuers[issuer.URL].hasKeysOf(issuer) {
			t.keys = before.issuers[issuer.URL].keys
		}
		next.issuers[issuer.URL] = t
		next.order = append(next.order, t)
	}
	c.state.Store(next)
	return nil
}

// hasKeysOf reports whether i and t find their keys in the same way.
func (t *trusted) hasKeysOf(i Issuer) bool {
	return t.KeysFile == i.KeysFile && t.KeysURL == i.KeysURL && t.BearerFile == i.BearerFile && t.CACertificates.Equal(i.CACertificates) &&
		slices.EqualFunc(t.Keys, i.Keys, func(a, b crypto.PublicKey) bool {
			k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
			return ok && k.Equal(b)
		})
}

func newTrusted(issuer Issuer) (*trusted, error) {
	t := &trusted{Issuer: issuer}
	if isPattern(issuer.URL) {
		if err := pattern(issuer.URL).check(); err != nil {
			return nil, err
		}
		if issuer.KeysFile != "" || issuer.KeysURL != "" || issuer.CACertificates != nil || issuer.BearerFile != "" {
			return nil, errors.New("a pattern has many issuers, whose keys are found by discovery alone")
		}
		t.match = pattern(issuer.URL).compile()
	}
	if keys, err := url.Parse(issuer.KeysURL); err != nil || issuer.KeysURL != "" && (keys.Host == "" || !isSafe(keys)) {
		return nil, errors.New("the URL of the keys needs https")
	}
	u, err := url.Parse(issuer.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("not the URL of an issuer")
	}
	// The built-in issuer's keys are local, so no network is involved.
	if issuer.Keys == nil && !isSafe(u) {
		return nil, errors.New("an issuer beyond this machine needs https")
	}
	if issuer.Audience == "" {
		return nil, errors.New("no audience")
	}
	if err := issuer.checkType(); err != nil {
		return nil, err
	}
	return t, nil
}

// checkType checks the settings that belong to the type.
func (i Issuer) checkType() error {
	if i.SubjectDomain != "" && i.Type != typeURI && i.Type != typeUsername {
		return errors.New("a subject domain is for issuers of URIs and usernames")
	}
	switch i.Type {
	case typeEmail, typeKubernetes:
		return nil
	case typeURI:
		return checkOrigin(i.SubjectDomain)
	case typeUsername:
		if i.SubjectDomain == "" || strings.ContainsAny(i.SubjectDomain, "!@/ ") {
			return fmt.Errorf("subject domain %q is no domain", i.SubjectDomain)
		}
		return nil
	case typeSPIFFE:
		if !claims.IsTrustDomain(i.TrustDomain) {
			return fmt.Errorf("trust domain %q is none of SPIFFE", i.TrustDomain)
		}
		return nil
	case Service:
		return i.Service.Check()
	}
	return fmt.Errorf("type %q is unknown", i.Type)
}

// isSafe reports whether u is https, or http to this machine.
func isSafe(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}

// checkOrigin checks that text is scheme://host, with an optional port and nothing else.
func checkOrigin(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || text != u.Scheme+"://"+u.Host {
		return fmt.Errorf("subject domain %q is not SCHEME://HOST", text)
	}
	return nil
}

// Check returns the identity of a token, and the claims of which the holder of
// a key must sign one to prove possession. An error means that the token is
// refused, unless its chain has Unavailable() bool.
func (c *Checker) Check(ctx context.Context, token string) (id identity.Identity, challenges []string, err error) {
	header, payload, err := parse(token)
	if err == nil {
		id, err = c.check(ctx, token, header, payload)
	}
	if err != nil {
		return identity.Identity{}, nil, fmt.Errorf("checking ID token: %w", err)
	}
	return id, payload.challenges(), nil
}

func (c *Checker) check(ctx context.Context, token string, header header, payload payload) (identity.Identity, error) {
	id, err := c.believe(ctx, token, header, payload)
	if err != nil {
		return id, &refused{payload, err}
	}
	return id, nil
}

// A refused reports why a token is refused or could not be checked, with its claims.
type refused struct {
	payload payload
	err     error
}

// Error returns the cause.
func (r *refused) Error() string { return r.err.Error() }

// Unwrap returns the cause.
func (r *refused) Unwrap() error { return r.err }

// Claimed returns the identity that the token claims, for logs only.
func (r *refused) Claimed() (account, issuer string) {
	return cmp.Or(r.payload.Email, r.payload.Subject), r.payload.Issuer
}

// believe checks a parsed token.
func (c *Checker) believe(ctx context.Context, token string, header header, payload payload) (identity.Identity, error) {
	issuers := c.state.Load()
	t := issuers.trusted(payload.Issuer)
	if t == nil {
		return identity.Identity{}, refusal("claim iss is none of the issuers that this authority knows: " + issuers.names())
	}
	if err := payload.check(t.Audience, c.clock()); err != nil {
		return identity.Identity{}, err
	}
	keys, err := t.keys.find(ctx, header.KeyID)
	if err != nil {
		return identity.Identity{}, err
	}
	if err := c.verify(ctx, t, token, keys); err != nil {
		return identity.Identity{}, err
	}
	return t.identity(payload)
}

// trusted returns the issuer with this URL, or nil.
func (s *state) trusted(issuer string) *trusted {
	if t := s.issuers[issuer]; t != nil && t.match == nil {
		return t
	}
	for _, t := range s.order {
		if t.match != nil && t.match.MatchString(issuer) {
			return s.matched.of(issuer, t, s.keysOf)
		}
	}
	return nil
}

// maxNamed bounds the issuers that a refusal names.
const maxNamed = 3

// names returns the issuers in words.
func (s *state) names() string {
	var all []string
	for i, t := range s.order {
		if i == maxNamed {
			return strings.Join(all, ", ") + fmt.Sprintf(" and %d more", len(s.order)-maxNamed)
		}
		all = append(all, t.URL)
	}
	return strings.Join(all, ", ")
}

// verify verifies the signature and compares the signed bytes with the parsed
// ones. A token that has been verified with the same key is not verified again.
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

// Configuration returns the description of the issuers for clients of the
// certificate authority.
func (c *Checker) Configuration() fulcio.Configuration {
	order := c.state.Load().order
	issuers := make([]fulcio.Issuer, len(order))
	for i, t := range order {
		claim := "sub"
		if t.Type == typeEmail {
			claim = "email"
		}
		issuers[i] = fulcio.Issuer{
			URL: t.URL, Audience: t.Audience, ChallengeClaim: claim, Type: t.Type, SubjectDomain: t.SubjectDomain, SPIFFETrustDomain: t.TrustDomain,
		}
		if t.match != nil {
			issuers[i].URL, issuers[i].WildcardURL = "", t.URL
		}
		if t.Type == Service {
			issuers[i].Type = "ci-provider" // as Fulcio has it
		}
	}
	return fulcio.Configuration{Issuers: issuers}
}
