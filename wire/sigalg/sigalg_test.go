// SPDX-License-Identifier: Apache-2.0

package sigalg_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"slices"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

func mustKey[K crypto.Signer](t *testing.T) func(K, error) crypto.Signer {
	return func(k K, err error) crypto.Signer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

// keysBySize returns a key for every key type and size of the registry.
func keysBySize(t *testing.T) map[string]crypto.Signer {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{
		"p256":    mustKey[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"p384":    mustKey[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"p521":    mustKey[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"ed25519": ed,
		"rsa2048": testkit.RSA(t, 2048),
		"rsa3072": testkit.RSA(t, 3072),
		"rsa4096": testkit.RSA(t, 4096),
	}
}

func TestSignThenVerify(t *testing.T) {
	keys := keysBySize(t)
	for name, key := range map[string]string{
		"PKIX_ECDSA_P256_SHA_256":       "p256",
		"PKIX_ECDSA_P384_SHA_384":       "p384",
		"PKIX_ECDSA_P521_SHA_512":       "p521",
		"PKIX_ED25519":                  "ed25519",
		"PKIX_ED25519_PH":               "ed25519",
		"PKIX_RSA_PKCS1V15_2048_SHA256": "rsa2048",
		"PKIX_RSA_PSS_2048_SHA256":      "rsa2048",
		"PKIX_RSA_PKCS1V15_3072_SHA256": "rsa3072",
		"PKIX_RSA_PSS_3072_SHA256":      "rsa3072",
		"PKIX_RSA_PKCS1V15_4096_SHA256": "rsa4096",
		"PKIX_RSA_PSS_4096_SHA256":      "rsa4096",
	} {
		t.Run(name, func(t *testing.T) {
			roundTrip(t, name, keys[key])
		})
	}
}

func roundTrip(t *testing.T, name string, key crypto.Signer) {
	a, err := sigalg.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("release 1.0")
	sig, err := a.Sign(rand.Reader, key, message)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(key.Public(), message, sig); err != nil {
		t.Fatalf("a true signature: %v", err)
	}
	if err := a.Verify(key.Public(), []byte("release 1.1"), sig); !errors.Is(err, sigalg.ErrSignature) {
		t.Fatalf("another message: got %v, want ErrSignature", err)
	}
	sig[len(sig)/2] ^= 1
	if err := a.Verify(key.Public(), message, sig); !errors.Is(err, sigalg.ErrSignature) {
		t.Fatalf("a flipped bit: got %v, want ErrSignature", err)
	}
	if a.Hash == 0 {
		return
	}
	if err := a.VerifyDigest(key.Public(), make([]byte, a.Hash.Size()-1), sig); !errors.Is(err, sigalg.ErrDigest) {
		t.Fatalf("a short digest: got %v, want ErrDigest", err)
	}
}

// TestKeyOfAnotherRow checks that a key of the right type and the wrong size is refused under
// another row's name.
func TestKeyOfAnotherRow(t *testing.T) {
	keys := keysBySize(t)
	for _, c := range []struct {
		algorithm, key string
		want           error
	}{
		{"PKIX_ECDSA_P256_SHA_256", "p384", sigalg.ErrWeakKey},
		{"PKIX_ECDSA_P384_SHA_384", "p256", sigalg.ErrWeakKey},
		{"PKIX_ECDSA_P256_SHA_256", "ed25519", sigalg.ErrUnknown},
		{"PKIX_ED25519", "p256", sigalg.ErrUnknown},
		{"PKIX_RSA_PKCS1V15_4096_SHA256", "rsa2048", sigalg.ErrWeakKey},
		{"PKIX_RSA_PSS_2048_SHA256", "p256", sigalg.ErrUnknown},
	} {
		a, err := sigalg.ByName(c.algorithm)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.CheckKey(keys[c.key].Public()); !errors.Is(err, c.want) {
			t.Errorf("%s with a %s key: got %v, want %v", c.algorithm, c.key, err, c.want)
		}
	}
}

func TestVerifyOnlyNeverSigns(t *testing.T) {
	for name, curve := range map[string]elliptic.Curve{"PKIX_ECDSA_P384_SHA_256": elliptic.P384(), "PKIX_ECDSA_P521_SHA_256": elliptic.P521()} {
		a, err := sigalg.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		key := mustKey[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(curve, rand.Reader))
		if _, err := a.Sign(rand.Reader, key, []byte("x")); !errors.Is(err, sigalg.ErrVerifyOnly) {
			t.Fatalf("%s: got %v, want ErrVerifyOnly", name, err)
		}
		digest, err := a.Digest([]byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.SignDigest(rand.Reader, key, digest); !errors.Is(err, sigalg.ErrVerifyOnly) {
			t.Fatalf("%s: got %v, want ErrVerifyOnly", name, err)
		}
		old, err := key.Sign(rand.Reader, digest, crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Verify(key.Public(), []byte("x"), old); err != nil {
			t.Fatalf("%s: an old signature: %v", name, err)
		}
	}
}

func TestForKey(t *testing.T) {
	weak := &rsa.PublicKey{N: mustKey[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024)).Public().(*rsa.PublicKey).N, E: 65537}
	p224 := mustKey[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public()
	for name, c := range map[string]struct {
		pub  crypto.PublicKey
		want error
	}{
		"RSA 1024": {weak, sigalg.ErrWeakKey},
		"P-224":    {p224, sigalg.ErrWeakKey},
		"no key":   {nil, sigalg.ErrUnknown},
		"bytes":    {[]byte("key"), sigalg.ErrUnknown},
		"Ed short": {ed25519.PublicKey("key"), sigalg.ErrUnknown},
	} {
		if _, err := sigalg.ForKey(c.pub); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	for key, want := range map[string]string{"p256": "PKIX_ECDSA_P256_SHA_256", "p384": "PKIX_ECDSA_P384_SHA_384", "ed25519": "PKIX_ED25519", "rsa3072": "PKIX_RSA_PKCS1V15_3072_SHA256"} {
		if a, err := sigalg.ForKey(keysBySize(t)[key].Public()); err != nil || a.Name != want {
			t.Errorf("%s: got %s, %v, want %s", key, a.Name, err, want)
		}
	}
}

// TestAllForKey checks that verify-only rows are not among a key's algorithms.
func TestAllForKey(t *testing.T) {
	keys := keysBySize(t)
	for key, want := range map[string][]string{
		"p256": {"PKIX_ECDSA_P256_SHA_256"}, "p384": {"PKIX_ECDSA_P384_SHA_384"}, "p521": {"PKIX_ECDSA_P521_SHA_512"},
		"ed25519": {"PKIX_ED25519", "PKIX_ED25519_PH"},
		"rsa4096": {"PKIX_RSA_PKCS1V15_4096_SHA256", "PKIX_RSA_PSS_4096_SHA256"},
	} {
		all, err := sigalg.AllForKey(keys[key].Public())
		var names []string
		for _, a := range all {
			names = append(names, a.Name)
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%s: got %v, %v, want %v", key, names, err, want)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	for _, name := range []string{"", "PKIX_ECDSA_P256_HMAC_SHA_256", "LMS_SHA256", "PKIX_RSA_PKCS1V5", "pkix_ed25519"} {
		if _, err := sigalg.ByName(name); !errors.Is(err, sigalg.ErrUnknown) {
			t.Errorf("%q: got %v, want ErrUnknown", name, err)
		}
	}
}

func TestZeroAlgorithmVerifiesNothing(t *testing.T) {
	key := mustKey[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	var zero sigalg.Algorithm
	if zero.Verify(key.Public(), nil, nil) == nil || zero.VerifyDigest(key.Public(), nil, nil) == nil {
		t.Fatal("the zero algorithm verified something")
	}
}
