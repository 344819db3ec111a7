// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// suiteDir has the bundles of the conformance suite, one directory a case.
	suiteDir = "../../shared/conformance"

	suiteIdentity = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/" +
		".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
	suiteIssuer = "https://token.actions.githubusercontent.com"
)

// A seed is a bundle with the requirements on it: artifact, signer and trusted root.
type seed struct {
	name     string
	raw      []byte // the bundle
	artifact []byte
	root     []byte // trusted_root.json
	identity string
	issuer   string
	key      crypto.PublicKey // in place of identity and issuer
	keyPEM   []byte
}

// suiteSeeds returns the suite's bundles that every verifier must accept.
func suiteSeeds(t testing.TB) []seed {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(suiteDir, "bundle-verify", "*", "bundle.sigstore.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) == 0 {
		t.Logf("%s IS NOT HERE: the suite's bundles are left out", suiteDir)
	}
	var seeds []seed
	for _, path := range dirs {
		if dir := filepath.Dir(path); !strings.HasSuffix(dir, "_fail") {
			seeds = append(seeds, readSeed(t, dir))
		}
	}
	return seeds
}

// readSeed reads a case in the suite's form. What a case lacks stands beside
// it, or is the suite's own.
func readSeed(t testing.TB, dir string) seed {
	t.Helper()
	first := func(paths ...string) []byte {
		for _, path := range paths {
			if raw, err := os.ReadFile(path); err == nil {
				return raw
			}
		}
		return nil
	}
	text := func(name, standard string) string {
		if raw := first(filepath.Join(dir, name)); raw != nil {
			return strings.TrimSpace(string(raw))
		}
		return standard
	}
	s := seed{
		name:     filepath.Base(dir),
		raw:      first(filepath.Join(dir, "bundle.sigstore.json")),
		artifact: first(filepath.Join(dir, "artifact"), filepath.Join(dir, "..", "a.txt")),
		root:     first(filepath.Join(dir, "trusted_root.json"), filepath.Join(suiteDir, "public-good", "trusted_root.json")),
		identity: text("identity", suiteIdentity),
		issuer:   text("issuer", suiteIssuer),
		keyPEM:   first(filepath.Join(dir, "key.pub")),
	}
	if s.raw == nil || s.artifact == nil || s.root == nil {
		t.Fatalf("%s is no case: bundle, artifact or trusted root is missing", dir)
	}
	if s.keyPEM != nil {
		s.key = parseKey(t, s.keyPEM)
	}
	return s
}

func parseKey(t testing.TB, raw []byte) crypto.PublicKey {
	t.Helper()
	block, _ := pem.Decode(raw)
	if block == nil {
		t.Fatal("key is not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// write puts the seed, as it was or with another bundle, where readSeed reads it.
func (s seed) write(t testing.TB, dir string, bundle []byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"bundle.sigstore.json": bundle, "artifact": s.artifact, "trusted_root.json": s.root,
		"identity": []byte(s.identity), "issuer": []byte(s.issuer), "key.pub": s.keyPEM,
	} {
		if content == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// liveSeeds returns bundles made by sigstore-go at running instances: two at one instance, by two
// people, and one at another.
func liveSeeds(t *testing.T) []seed {
	t.Helper()
	r := newRequest(t)
	bob, other := r.as(t, "bob@example.com"), newRequest(t)
	return []seed{
		liveSeed(t, "live blob", r, sigstoreGoSign),
		liveSeed(t, "live attestation", r, sigstoreGoAttest),
		liveSeed(t, "live blob of bob", bob, sigstoreGoSign),
		liveSeed(t, "live blob elsewhere", other, sigstoreGoSign),
		liveSeed(t, "live attestation by hallmark", r, hallmarkAttest),
	}
}

// as returns the request with another person's token.
func (r request) as(t *testing.T, email string) request {
	t.Helper()
	r.token, r.identity = write(t, "token", []byte(r.instance.Token(t, email))), email
	return r
}

func liveSeed(t *testing.T, name string, r request, sign func(*testing.T, request) error) seed {
	t.Helper()
	r = r.withBundle(t)
	if err := sign(t, r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return seed{
		name: name, raw: read(t, r.bundle), artifact: read(t, r.file), root: read(t, r.trustedRoot),
		identity: r.identity, issuer: r.issuer,
	}
}
