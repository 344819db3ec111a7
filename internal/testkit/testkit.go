// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"fmt"
	"os"
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

// must returns a function that returns v, or ends the test if err is not nil.
func must[T any](v T, err error) func(testing.TB) T {
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
	return must(ecdsa.GenerateKey(curve, rand.Reader))(t)
}

// fixed has RSA keys, as making one takes up to seconds. Everyone knows them.
//
//go:embed rsa-*.pem
var fixed embed.FS

// RSA returns the key of 2048, 3072 or 4096 bits. It is the same in all tests.
func RSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(must(fixed.ReadFile(fmt.Sprintf("rsa-%d.pem", bits)))(t))
	return must(x509.ParsePKCS8PrivateKey(block.Bytes))(t).(*rsa.PrivateKey)
}
