// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/webpage"
)

const (
	// defaultAudience is the audience of Sigstore clients.
	defaultAudience = "sigstore"

	// tokenLife is the validity of a token: long enough for many signatures.
	tokenLife = 10 * time.Minute

	// formLife bounds the time to sign in.
	formLife = 10 * time.Minute

	// codeLife is the validity of a code: "A maximum authorization code lifetime
	// of 10 minutes is RECOMMENDED" (RFC 6749 §4.1.2), and clients exchange it at
	// once.
	codeLife = time.Minute

	// pastedCodeLife is the validity of a code that people paste.
	pastedCodeLife = 5 * time.Minute

	// deviceLife and pollInterval apply to the device flow (RFC 8628 §3.2).
	deviceLife   = 10 * time.Minute
	pollInterval = 2 * time.Second
)

// Options holds the settings of an [Issuer].
type Options struct {
	// URL is the iss of tokens: the instance's base URL, without a trailing slash.
	// Except for loopback it must be https.
	URL string

	// InsecureHTTPUnsafe allows http beyond loopback, which exposes passwords to
	// that network. It is for instances behind a TLS proxy.
	InsecureHTTPUnsafe bool

	// RSA signs tokens as RS256, which every provider must support (OpenID Connect
	// Core §15.1) and some clients require. ECDSA, on P-256, signs tokens of
	// clients configured for ES256.
	RSA, ECDSA crypto.Signer

	// Dir contains the accounts, on FS. Nil means durable.OS.
	Dir string
	FS  durable.FS

	// Audience is the aud of all tokens and the ID of the client that always
	// exists. Empty means "sigstore".
	Audience string

	// Clients are further clients, or configure that one.
	Clients []Client

	// Clock is used for stored data. Nil means time.Now. The times in tokens are
	// always those of the machine.
	Clock func() time.Time

	// Limits apply to untrusted clients. Zero rates allow nothing.
	Limits Limits

	// Logger logs each sign-in and each refusal with the account, without tokens
	// or passwords. It may be nil.
	Logger *slog.Logger
}

// An Issuer is a running OpenID provider.
type Issuer struct {
	url      string
	audience string
	clock    func() time.Time
	logger   *slog.Logger
	keys     signingKeys
	accounts *Accounts
	store    *store
	throttle *throttle
	turns    turns // for hashing passwords
	sealer   *sealer
	provider *op.Provider
	pages    *webpage.Pages
}

// New opens the accounts and returns an issuer. Sealed forms and data in memory
// end with it.
func New(o Options) (*Issuer, error) {
	i, err := newIssuer(o)
	if err != nil {
		return nil, fmt.Errorf("opening login: %w", err)
	}
	return i, nil
}

func newIssuer(o Options) (*Issuer, error) {
	if err := checkURL(o.URL, o.InsecureHTTPUnsafe); err != nil {
		return nil, err
	}
	keys, err := newSigningKeys(o.RSA, o.ECDSA)
	if err != nil {
		return nil, err
	}
	accounts, err := OpenAccountsWith(o.Dir, AccountsOptions{FS: o.FS})
	if err != nil {
		return nil, err
	}
	i := &Issuer{
		url: o.URL, audience: cmp.Or(o.Audience, defaultAudience), clock: o.Clock, logger: o.Logger,
		keys: keys, accounts: accounts, pages: webpage.New(pageFiles, "pages/*.html"),
	}
	clients, err := newClients(i.audience, o.Clients)
	if err != nil {
		return nil, err
	}
	if i.clock == nil {
		i.clock = time.Now
	}
	if i.logger == nil {
		i.logger = slog.New(slog.DiscardHandler)
	}
	i.throttle = newThrottle(o.Limits, i.clock)
	i.store = &store{memory: newMemory(i.clock), accounts: accounts, keys: keys, audience: i.audience, clients: clients}
	i.sealer = newSealer(i.clock)
	i.provider, err = i.newProvider()
	return i, err
}

// newProvider sets up the library. Its router is not used, since it has more
// endpoints than this issuer offers.
func (i *Issuer) newProvider() (*op.Provider, error) {
	var key [32]byte
	rand.Read(key[:]) // never fails
	config := &op.Config{
		CodeMethodS256: true,
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: deviceLife, PollInterval: pollInterval,
			UserFormPath: devicePath, UserCode: op.UserCodeBase20,
		},
	}
	options := []op.Option{op.WithCrypto(op.NewAES256GCMCrypto(key, ""))}
	if strings.HasPrefix(i.url, "http:") {
		options = append(options, op.WithAllowInsecure())
	}
	return op.NewProvider(config, i.store, op.StaticIssuer(i.url), options...)
}

// Err returns why the issuer can't sign people in, or nil if it can.
func (i *Issuer) Err() error { return i.accounts.err() }

// PublicKeys returns the keys that verify the issuer's tokens.
func (i *Issuer) PublicKeys() []crypto.PublicKey {
	var all []crypto.PublicKey
	for _, k := range i.keys.list() {
		all = append(all, k.signer.Public())
	}
	return all
}

// checkURL checks that an issuer is "a case-sensitive URL using the https
// scheme that contains scheme, host, and optionally, port number and path
// components and no query or fragment" (OpenID Connect Core §1.2), here without
// a path.
func checkURL(text string, insecure bool) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if u.Hostname() == "" || text != u.Scheme+"://"+u.Host {
		return fmt.Errorf("issuer %q is not https://HOST or http://HOST:PORT, without a path or a slash at its end", text)
	}
	if u.Scheme == "https" || u.Scheme == "http" && (insecure || isLoopback(u.Hostname())) {
		return nil
	}
	return errors.New("an issuer beyond this machine needs https")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// secure reports whether cookies can be Secure, which browsers store for https
// only.
func (i *Issuer) secure() bool { return strings.HasPrefix(i.url, "https:") }

// cookieName returns the name of the cookie. "__Host-" keeps other hosts of the
// domain from setting it (RFC 6265bis §4.1.3.2).
func (i *Issuer) cookieName() string {
	if i.secure() {
		return "__Host-hallmark-login"
	}
	return "hallmark-login"
}

// browser returns the secret that identifies the browser while it signs in, and
// sets the cookie if there is none.
func (i *Issuer) browser(w http.ResponseWriter, r *http.Request) string {
	if secret, ok := i.knownBrowser(r); ok {
		return secret
	}
	secret := rand.Text()
	http.SetCookie(w, &http.Cookie{
		Name: i.cookieName(), Value: secret, Path: "/", HttpOnly: true, Secure: i.secure(), SameSite: http.SameSiteLaxMode,
	})
	return secret
}

// knownBrowser returns the cookie. Two cookies of the name count as none.
func (i *Issuer) knownBrowser(r *http.Request) (string, bool) {
	cookies := r.CookiesNamed(i.cookieName())
	if len(cookies) != 1 || len(cookies[0].Value) != len(rand.Text()) {
		return "", false
	}
	return cookies[0].Value, true
}
