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
	// DefaultAudience is what Sigstore clients ask tokens for.
	DefaultAudience = "sigstore"

	// tokenLife is how long a token serves: a loop of signatures, not a day.
	tokenLife = 10 * time.Minute

	// formLife is how long somebody may take to sign in.
	formLife = 10 * time.Minute

	// codeLife: "A maximum authorization code lifetime of 10 minutes is
	// RECOMMENDED" (RFC 6749 §4.1.2); clients come for their token at once.
	codeLife = time.Minute

	// pastedCodeLife is the same for people who carry the code.
	pastedCodeLife = 5 * time.Minute

	// deviceLife and pollInterval are of the device flow (RFC 8628 §3.2).
	deviceLife   = 10 * time.Minute
	pollInterval = 2 * time.Second
)

// Options are what an Issuer needs.
type Options struct {
	// URL is the issuer, as tokens say it in iss: the instance's base URL, without
	// a slash at its end. Beyond loopback it must be https.
	URL string

	// InsecureHTTPUnsafe allows http beyond loopback: passwords cross that network
	// in clear. It is for instances behind a proxy that speaks TLS.
	InsecureHTTPUnsafe bool

	// RSA signs tokens as RS256, which every provider must support (OpenID Connect Core
	// §15.1) and some clients alone know. ECDSA, on P-256, signs as ES256 those of
	// clients that are configured so.
	RSA, ECDSA crypto.Signer

	// Dir has the accounts, on FS; nil: durable.OS.
	Dir string
	FS  durable.FS

	// Audience is the aud of all tokens and the id of the client that is always known;
	// empty: DefaultAudience.
	Audience string

	// Clients are further clients, or say more of that one.
	Clients []Client

	// Clock is for what the issuer remembers; nil: time.Now. The times in tokens
	// are always the machine's.
	Clock func() time.Time

	// Limits are for strangers. Zero rates allow nothing.
	Limits Limits

	// Logger gets each sign-in and each refusal with the account, known or not, but no
	// token or password; nil: nowhere.
	Logger *slog.Logger
}

// Issuer is a running OpenID provider.
type Issuer struct {
	url      string
	audience string
	clock    func() time.Time
	logger   *slog.Logger
	keys     signingKeys
	accounts *Accounts
	store    *store
	throttle *throttle
	turns    turns // of passwords that are hashed
	sealer   *sealer
	provider *op.Provider
	pages    *webpage.Pages
}

// New opens the accounts and makes an issuer. What it seals and remembers ends
// with it.
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
		url: o.URL, audience: cmp.Or(o.Audience, DefaultAudience), clock: o.Clock, logger: o.Logger,
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

// newProvider sets up the library. Only its parts are used, not its router,
// whose endpoints are more than this issuer offers.
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

// Err returns why nobody can sign in, nil if nothing is known to be in the way.
func (i *Issuer) Err() error { return i.accounts.Err() }

// PublicKeys are the keys that verify the issuer's tokens.
func (i *Issuer) PublicKeys() []crypto.PublicKey {
	var all []crypto.PublicKey
	for _, k := range i.keys.list() {
		all = append(all, k.signer.Public())
	}
	return all
}

// checkURL: an issuer is "a case-sensitive URL using the https scheme that
// contains scheme, host, and optionally, port number and path components and no
// query or fragment" (OpenID Connect Core §1.2); here without a path.
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

// secure: browsers keep Secure cookies for https alone.
func (i *Issuer) secure() bool { return strings.HasPrefix(i.url, "https:") }

// cookieName: "__Host-" keeps other hosts of the domain from setting it
// (RFC 6265bis §4.1.3.2).
func (i *Issuer) cookieName() string {
	if i.secure() {
		return "__Host-hallmark-login"
	}
	return "hallmark-login"
}

// browser gives the secret that the browser is known by while it signs in, and
// sets the cookie where there is none.
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

// knownBrowser reads the cookie; two of a name are none.
func (i *Issuer) knownBrowser(r *http.Request) (string, bool) {
	cookies := r.CookiesNamed(i.cookieName())
	if len(cookies) != 1 || len(cookies[0].Value) != len(rand.Text()) {
		return "", false
	}
	return cookies[0].Value, true
}
