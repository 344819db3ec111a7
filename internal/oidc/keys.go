// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

const (
	// maxDocument bounds a discovery document or key set, in bytes.
	maxDocument = 1 << 20

	// maxKeys bounds the keys of an issuer.
	maxKeys = 64

	// fetchTime bounds the time to fetch both documents.
	fetchTime = 10 * time.Second

	// Keys are used for fresh without asking again, and for at most stale while
	// the issuer does not respond. Until then, a revoked key is still trusted.
	fresh = 15 * time.Minute
	stale = 6 * time.Hour

	// again is the pause before an unknown key ID causes another fetch, and retry
	// the pause after a failed fetch.
	again = 30 * time.Second
	retry = 5 * time.Second
)

// errKeyID refuses a key ID that the issuer does not publish.
const errKeyID = refusal("key is not one of the issuer's")

// A key is one key of a set.
type key struct {
	id     string
	public crypto.PublicKey
}

// A keys holds the known keys of an issuer.
type keys struct {
	Issuer
	client *http.Client
	clock  func() time.Time
	logger *slog.Logger

	mu      sync.Mutex // guards the rest
	known   []key
	fetched time.Time     // time of the last successful fetch
	tried   time.Time     // end of the last fetch
	failure error         // error of the last fetch; may be nil
	running chan struct{} // closed when the running fetch ends; nil if none is running
}

func newKeys(i Issuer, client *http.Client, clock func() time.Time, logger *slog.Logger) *keys {
	if i.CACertificates != nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: i.CACertificates}
		client = limitedClient(&http.Client{Transport: transport, Timeout: fetchTime})
	}
	return &keys{Issuer: i, client: client, clock: clock, logger: logger}
}

// limitedClient returns a copy of client with this package's limits.
func limitedClient(client *http.Client) *http.Client {
	limited := http.Client{Timeout: fetchTime}
	if client != nil {
		limited = *client
	}
	// Only the issuer's own host may serve the keys.
	limited.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &limited
}

// find returns the keys that may have signed a token with this key ID. Errors
// are of type unavailable or refusal, or those of the context.
func (k *keys) find(ctx context.Context, id string) ([]crypto.PublicKey, error) {
	if k.Keys != nil {
		return k.Keys, nil // few keys without IDs
	}
	for waited := false; ; waited = true {
		found, wait, err := k.lookUp(id, waited)
		if wait == nil {
			return found, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, unavailable{ctx.Err()}
		}
	}
}

// lookUp returns known keys, or a channel to wait for before calling it again.
// If waited is true, it does not return a channel.
func (k *keys) lookUp(id string, waited bool) (found []crypto.PublicKey, wait chan struct{}, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock()
	age := now.Sub(k.fetched)
	usable := !k.fetched.IsZero() && age < stale
	if usable {
		found = matching(k.known, id)
	}
	if !waited && k.due(now, usable && age < fresh && len(found) > 0) {
		if k.running == nil {
			k.start()
		}
		return nil, k.running, nil
	}
	switch {
	case len(found) > 0:
		return found, nil, nil
	case k.failure != nil: // the key may be new
		return nil, nil, unavailable{fmt.Errorf("asking issuer %s for its keys: %w", k.URL, k.failure)}
	}
	return nil, nil, errKeyID
}

// due reports whether a fetch should be awaited. There is a pause after
// successes and failures, so that many tokens don't cause many requests.
func (k *keys) due(now time.Time, satisfied bool) bool {
	if satisfied {
		return false
	}
	if k.running != nil || k.tried.IsZero() {
		return true
	}
	pause := again
	if k.failure != nil {
		pause = retry
	}
	since := now.Sub(k.tried)
	return since >= pause || since < 0
}

// start fetches in a goroutine, independently of the callers that wait.
func (k *keys) start() {
	done := make(chan struct{})
	k.running = done
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
		defer cancel()
		known, err := k.fetch(ctx)
		if err != nil {
			k.logger.Warn("keys of issuer not fetched", "issuer", k.URL, "cause", err)
		} else {
			k.logger.Info("keys of issuer fetched", "issuer", k.URL, "keys", len(known))
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.tried, k.failure, k.running = k.clock(), err, nil
		if err == nil {
			k.known, k.fetched = known, k.tried
		}
		close(done)
	}()
}

// matching returns the keys with this ID, or all keys for a token without key
// ID.
func matching(known []key, id string) []crypto.PublicKey {
	var found []crypto.PublicKey
	for _, k := range known {
		if id == "" || k.id == id {
			found = append(found, k.public)
		}
	}
	return found
}

// fetch reads the key set from the file, or fetches it by its URL or by discovery.
func (k *keys) fetch(ctx context.Context) ([]key, error) {
	if k.KeysFile != "" {
		raw, err := readLimited(k.KeysFile)
		if err != nil {
			return nil, err
		}
		return parseKeySet(raw)
	}
	where := k.KeysURL
	if where == "" {
		var err error
		if where, err = k.discover(ctx); err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
	}
	raw, err := k.get(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	known, err := parseKeySet(raw)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	return known, nil
}

// discover returns the URL of the key set.
func (k *keys) discover(ctx context.Context) (string, error) {
	raw, err := k.get(ctx, strings.TrimSuffix(k.URL, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	return parseDiscovery(raw, k.URL)
}

// readLimited reads a small file.
func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(raw) > maxDocument {
		err = fmt.Errorf("%s has more than %d bytes", path, maxDocument)
	}
	return raw, err
}

func (k *keys) get(ctx context.Context, where string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if k.BearerFile != "" && k.isOwn(req.URL) {
		token, err := readLimited(k.BearerFile)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", where, resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("%s has more than %d bytes", where, maxDocument)
	}
	return raw, nil
}

// isOwn reports whether a URL is the issuer's, which may be sent the token of BearerFile: at
// the host that is configured, or where the issuer's own authorities vouch for the host, since
// the API server of a cluster publishes its keys at its address. Discovery names any host.
func (k *keys) isOwn(u *url.URL) bool {
	own, err := url.Parse(cmp.Or(k.KeysURL, k.URL))
	return k.CACertificates != nil && u.Scheme == "https" || err == nil && u.Scheme == own.Scheme && u.Host == own.Host
}

// hasFetched reports whether keys were ever fetched.
func (k *keys) hasFetched() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.fetched.IsZero()
}

// parseDiscovery returns the address of the keys. "The issuer value returned
// MUST be identical to the Issuer URL that was used as the prefix" (Discovery
// §4.3).
func parseDiscovery(raw []byte, issuer string) (string, error) {
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return "", errors.New("document is not a JSON object with issuer and jwks_uri")
	}
	if document.Issuer != issuer {
		return "", fmt.Errorf("document is of issuer %q", document.Issuer)
	}
	u, err := url.Parse(document.Keys)
	if err != nil || u.Host == "" || !isSafe(u) || u.Scheme != "https" && strings.HasPrefix(issuer, "https:") {
		return "", fmt.Errorf("jwks_uri %q is not an https URL", document.Keys)
	}
	return document.Keys, nil
}

// parseKeySet parses a JSON Web Key Set (RFC 7517 §5) and ignores other keys:
// "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" … values
// that are not understood by them".
func parseKeySet(raw []byte) ([]key, error) {
	var set struct {
		Keys []rawKey `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("not a JSON object with keys")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys, at most %d", len(set.Keys), maxKeys)
	}
	var known []key
	for _, raw := range set.Keys {
		var jwk jose.JSONWebKey
		if jwk.UnmarshalJSON(raw) != nil || jwk.Use != "" && jwk.Use != "sig" || !isVerificationKey(jwk.Key) {
			continue
		}
		known = append(known, key{jwk.KeyID, jwk.Key})
	}
	if len(known) == 0 {
		return nil, errors.New("no key that could verify a signature")
	}
	return known, nil
}

// rawKey is an undecoded key.
type rawKey []byte

// UnmarshalJSON keeps the bytes.
func (r *rawKey) UnmarshalJSON(raw []byte) error {
	*r = append((*r)[:0], raw...)
	return nil
}

// isVerificationKey reports whether k is a public key, with RSA of the length
// of RFC 7518 §3.3: "A key of size 2048 bits or larger MUST be used".
func isVerificationKey(k any) bool {
	switch k := k.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= 2048 && k.N.BitLen() <= 8192
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
