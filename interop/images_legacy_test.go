// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/simplesigning"
)

// TestLegacyImages checks that hallmark reads and verifies cosign's signatures on an image in
// the older form, with a key and without a log.
func TestLegacyImages(t *testing.T) {
	r := newRequest(t)
	for _, registry := range []string{"ociregistry, with referrers", "distribution v3"} {
		t.Run(registry, func(t *testing.T) {
			i := registries()[registry](t).push(t)
			key := cosignKey(t, i)
			old := []string{"--key", filepath.Join(i.home, "cosign.key"), "--yes", "--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false"}
			if err := i.run(t, cosignBinary, append([]string{"sign"}, old...)...); err != nil {
				t.Fatal(err)
			}
			found, image := lookAt(t, i)
			if len(found) != 1 || found[0].Err != nil || found[0].Detached == nil {
				t.Fatalf("%+v", found)
			}
			b, err := bundle.FromDetached(*found[0].Detached)
			if err != nil {
				t.Fatal(err)
			}
			verifier, err := verify.New(r.instance.Root)
			if err != nil {
				t.Fatal(err)
			}
			p := verify.Requirements{Keys: []crypto.PublicKey{key}, NoLogUnsafe: true, NoTimestampUnsafe: true}
			if _, err := verifier.Verify(b, verify.FromReader(bytes.NewReader(found[0].Payload)), p); err != nil {
				t.Error(err)
			}
			if payload, err := simplesigning.Parse(found[0].Payload); err != nil || !bytes.Equal(payload.Digest, image.Sum()) {
				t.Errorf("%+v, %v", payload, err)
			}
			err = i.run(t, hallmarkBinary, "verify", "--trusted-root", r.trustedRoot, "--key", filepath.Join(i.home, "cosign.pub"))
			if err == nil || !strings.Contains(err.Error(), "refused: timestamp-missing") {
				t.Error(err)
			}
		})
	}
}

// cosignKey makes a key pair at the registry's home.
func cosignKey(t *testing.T, i images) crypto.PublicKey {
	t.Helper()
	bin, err := cosignBinary()
	require(t, "cosign", err)
	if err := runAt(t, i.home, bin, "generate-key-pair"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(i.home, "cosign.pub"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func lookAt(t *testing.T, i images) ([]oci.Signature, oci.Image) {
	t.Helper()
	reference, err := oci.ParseReference(i.image)
	if err != nil {
		t.Fatal(err)
	}
	c := oci.New(oci.Options{Keychain: oci.Anonymous()})
	image, err := c.Resolve(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Bundles(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	return found, image
}

// TestCompat checks that cosign reads the older form that hallmark writes for cosign 2, of a
// login and of a key, and refuses it for another signer.
func TestCompat(t *testing.T) {
	r := newRequest(t)
	reads := []string{"--new-bundle-format=false", "--insecure-ignore-tlog", "--use-signed-timestamps", "--trusted-root", r.trustedRoot}
	for registry, start := range registries() {
		t.Run(registry, func(t *testing.T) {
			at := start(t)
			key, other := keyPair(t), publicHalf(t, keyPair(t))
			for _, by := range []struct {
				name          string
				sign          []string
				good, another []string
			}{
				{"a login", []string{"--identity-token", r.token}, identified(r.identity, r), identified("bob@example.com", r)},
				{"a key", []string{"--key", key}, []string{"--key", publicHalf(t, key)}, []string{"--key", other}},
			} {
				i := at.push(t)
				signs := append([]string{"--compat", "cosign2", "--trusted-root", r.trustedRoot, "--signing-config", r.signingConfig}, by.sign...)
				for range 2 { // the second behind the first
					if err := i.run(t, hallmarkBinary, append([]string{"sign"}, signs...)...); err != nil {
						t.Fatal(err)
					}
				}
				if err := i.run(t, hallmarkBinary, append([]string{"attest", "--predicate", r.predicate, "--type", r.predicateType}, signs...)...); err != nil {
					t.Fatal(err)
				}
				for _, verb := range [][]string{{"verify"}, {"verify-attestation", "--type", r.predicateType}} {
					args := append(append(slices.Clone(verb), reads...), by.good...)
					if err := i.run(t, cosignBinary, args...); err != nil {
						t.Errorf("%s, %s: %v", by.name, verb[0], err)
					}
					args = append(append(slices.Clone(verb), reads...), by.another...)
					if err := i.run(t, cosignBinary, args...); err == nil {
						t.Errorf("%s, %s: somebody else's is accepted", by.name, verb[0])
					}
				}
			}
		})
	}
}

func identified(who string, r request) []string {
	return []string{"--certificate-identity", who, "--certificate-oidc-issuer", r.issuer}
}

// keyPair writes a new private key.
func keyPair(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// publicHalf writes the public half of a private key's file.
func publicHalf(t *testing.T, private string) string {
	t.Helper()
	block, _ := pem.Decode(read(t, private))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.(crypto.Signer).Public())
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "key.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
