// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// Nightly reports whether tests run in their long form.
func Nightly() bool { return os.Getenv("HALLMARK_CI") == "nightly" }

// Sequential skips a test that computes much and starts no goroutines if the race detector is
// on, except if [Nightly].
func Sequential(t testing.TB) {
	t.Helper()
	if Race && !Nightly() {
		t.Skip("run without the race detector")
	}
}

// Rounds returns how often a test repeats itself: daily times, or night times if [Nightly].
// With the race detector, daily is halved. The environment variable HALLMARK_ROUNDS overrides
// all of them.
func Rounds(daily, night int) int {
	if n, err := strconv.Atoi(os.Getenv("HALLMARK_ROUNDS")); err == nil {
		return n
	}
	if Nightly() {
		return night
	}
	if Race {
		return (daily + 1) / 2
	}
	return daily
}

// Must returns a function that returns v, or ends the test if err is not nil.
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Key returns a new key on a curve.
func Key(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	return Must(ecdsa.GenerateKey(curve, rand.Reader))(t)
}

// P256 returns a new key on P-256.
func P256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return Key(t, elliptic.P256())
}

// Ed25519 returns a new key.
func Ed25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	return Must(key, err)(t)
}

// OpenSSL returns the path of openssl(1). Without it the test is skipped, but not where CI is
// set.
func OpenSSL(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("openssl is not installed")
	}
	if err != nil {
		t.Skip("NOT TESTED: openssl is not installed")
	}
	return path
}

// fixed has RSA keys, as making one takes up to seconds. Everyone knows them.
//
//go:embed rsa-*.pem
var fixed embed.FS

// RSA returns the key of 2048, 3072 or 4096 bits. It is the same in all tests.
func RSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(Must(fixed.ReadFile(fmt.Sprintf("rsa-%d.pem", bits)))(t))
	return Must(x509.ParsePKCS8PrivateKey(block.Bytes))(t).(*rsa.PrivateKey)
}
