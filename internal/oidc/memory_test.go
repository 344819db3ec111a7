// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
	"time"
)

// TestVerifiedIsRemembered checks that a verified token is remembered, and that every change
// is still refused: another signature, other claims, an expired time, and a key that the
// issuer has removed.
func TestVerifiedIsRemembered(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	token := p.token(t, nil)
	for range 3 {
		if _, _, err := c.Check(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.verified.known); n != 1 {
		t.Fatalf("%d tokens are remembered", n)
	}
	dot := strings.LastIndex(token, ".")
	other := p.token(t, map[string]any{"email": "mallory@example.com"})
	for name, forged := range map[string]string{
		"another signature":   token[:dot] + other[strings.LastIndex(other, "."):],
		"another payload":     other[:strings.LastIndex(other, ".")] + token[dot:],
		"no signature":        token[:dot+1],
		"signature made long": token + "AA",
	} {
		if _, _, err := c.Check(t.Context(), forged); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	p.pass(time.Hour)
	if _, _, err := c.Check(t.Context(), token); err == nil {
		t.Error("accepted after its end")
	}
}

// TestRememberedKeyIsGone checks that a remembered token is refused once the issuer has replaced
// its key under the same key ID.
func TestRememberedKeyIsGone(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	token := p.token(t, map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()})
	if _, _, err := c.Check(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	for n := range p.set.Keys {
		if p.set.Keys[n].KeyID == "ES256" {
			p.set.Keys[n].Key = key.Public()
		}
	}
	p.mu.Unlock()
	p.pass(time.Hour) // keys are fetched again
	if _, _, err := c.Check(t.Context(), token); err == nil {
		t.Error("accepted with a key that the issuer has removed")
	}
}

// TestMemoryIsBounded checks that many valid tokens replace each other, and do not grow the
// memory.
func TestMemoryIsBounded(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var v signatures
	for n := range 3 * maxVerified {
		v.add(signature{token: [32]byte{byte(n), byte(n >> 8), byte(n >> 16)}, key: key.Public()})
		if len(v.known) > maxVerified {
			t.Fatalf("%d tokens are remembered", len(v.known))
		}
	}
}
