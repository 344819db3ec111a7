// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

const origin = "log.example.com"

func example() Checkpoint {
	return Checkpoint{Origin: origin, Size: 20852163, Root: tlog.RecordHash([]byte("root"))}
}

func newPair(t testing.TB, key crypto.Signer) (note.Signer, note.Verifier) {
	t.Helper()
	s, err := NewSigner(origin, key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier(origin, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func TestParseTextRefuses(t *testing.T) {
	root := example().Root.String()
	for name, text := range map[string]string{
		"empty":            "",
		"no newline":       "o\n1\n" + root,
		"two lines":        "o\n1\n",
		"no origin":        "\n1\n" + root + "\n",
		"size zero-led":    "o\n01\n" + root + "\n",
		"size signed":      "o\n+1\n" + root + "\n",
		"size negative":    "o\n-1\n" + root + "\n",
		"size hex":         "o\n0x1\n" + root + "\n",
		"size too large":   "o\n18446744073709551616\n" + root + "\n",
		"size of spaces":   "o\n 1\n" + root + "\n",
		"root short":       "o\n1\nAAAA\n",
		"root unpadded":    "o\n1\n" + strings.TrimRight(root, "=") + "\n",
		"root spare bits":  "o\n1\n" + strings.Repeat("A", 42) + "B=\n",
		"root with CR":     "o\n1\n" + root + "\r\n",
		"extension empty":  "o\n1\n" + root + "\n\n",
		"text far too big": "o\n1\n" + root + "\n" + strings.Repeat("x", maxText) + "\n",
	} {
		if c, err := ParseText(text); err == nil {
			t.Errorf("%s: parsed as %+v", name, c)
		}
	}
}

func TestTextRoundTrip(t *testing.T) {
	for _, c := range []Checkpoint{
		example(),
		{Origin: "rekor.example.com - 1193050959916656506", Size: 0, Root: tlog.Hash{}},
		{Origin: origin, Size: 1<<64 - 1, Root: example().Root, Extensions: []string{"Timestamp: 1675209600000000000", "more"}},
	} {
		got, err := ParseText(c.text())
		if err != nil {
			t.Errorf("%q: %v", c.text(), err)
		} else if !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, want %+v", got, c)
		}
	}
}

func TestSignAndOpen(t *testing.T) {
	rsaKey := testkit.RSA(t, 2048)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"P-256": testkit.P256(t), "P-384": p384, "Ed25519": testkit.Ed25519(t), "RSA": rsaKey,
	} {
		s, v := newPair(t, key)
		_, stranger := newPair(t, testkit.P256(t))
		envelope, err := Sign(example(), s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c, n, err := Open(envelope, stranger, v)
		if err != nil || !reflect.DeepEqual(c, example()) || len(n.Sigs) != 1 {
			t.Errorf("%s: Open gives %+v, %v", name, c, err)
		}
		var unverified *note.UnverifiedNoteError
		if _, _, err := Open(envelope, stranger); !errors.As(err, &unverified) {
			t.Errorf("%s: a stranger's key opens it: %v", name, err)
		}
	}
}

// TestEd25519IsSignedNote uses x/mod's own Ed25519 signer and verifier as the
// oracle.
func TestEd25519IsSignedNote(t *testing.T) {
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	theirSigner, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	theirVerifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	key := testkit.Ed25519(t)
	ourSigner, ourVerifier := newPair(t, key)
	ourVKey, err := note.NewEd25519VerifierKey(origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	theirView, err := note.NewVerifier(ourVKey)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := Sign(example(), ourSigner, theirSigner)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []note.Verifier{ourVerifier, theirVerifier, theirView} {
		if _, _, err := Open(envelope, v); err != nil {
			t.Errorf("key %x: %v", v.KeyHash(), err)
		}
	}
}

// TestUnknownLinesIgnored checks that "clients MUST ignore unknown signatures",
// wherever they stand, and that a known key's wrong signature is never ignored.
func TestUnknownLinesIgnored(t *testing.T) {
	ours, v := newPair(t, testkit.P256(t))
	before, _ := newPair(t, testkit.Ed25519(t))
	after, _ := newPair(t, testkit.P256(t))
	envelope, err := Sign(example(), before, ours, after)
	if err != nil {
		t.Fatal(err)
	}
	_, n, err := Open(envelope, v)
	if err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 2 {
		t.Fatalf("Open: %+v, %v", n, err)
	}
	other := example()
	other.Size++
	foreign, err := Sign(other, ours)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := bytes.Cut(foreign, []byte("\n\n"))
	text, lines, _ := bytes.Cut(envelope, []byte("\n\n"))
	forged := append(append(append([]byte{}, text...), "\n\n"...), append(append([]byte{}, line...), lines...)...)
	var invalid *note.InvalidSignatureError
	if _, _, err := Open(forged, v); !errors.As(err, &invalid) {
		t.Errorf("a wrong signature was ignored: %v", err)
	}
}

func TestEveryByteFlipped(t *testing.T) {
	for _, key := range []crypto.Signer{testkit.P256(t), testkit.Ed25519(t)} {
		s, v := newPair(t, key)
		envelope, err := Sign(example(), s)
		if err != nil {
			t.Fatal(err)
		}
		for i := range envelope {
			for _, bit := range []byte{0x01, 0x20, 0x80} {
				mangled := bytes.Clone(envelope)
				mangled[i] ^= bit
				if c, _, err := Open(mangled, v); err == nil {
					t.Errorf("byte %d ^ %#x: opens as %+v", i, bit, c)
				}
			}
		}
	}
}

func TestOpenRefusesLongEnvelope(t *testing.T) {
	s, v := newPair(t, testkit.Ed25519(t))
	envelope, err := Sign(example(), s)
	if err != nil {
		t.Fatal(err)
	}
	long := append(envelope, bytes.Repeat([]byte("— other AAAAAAAAAAAA\n"), maxEnvelope/20)...)
	if _, _, err := Open(long, v); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("Open: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	s, _ := newPair(t, testkit.Ed25519(t))
	for name, c := range map[string]Checkpoint{
		"no origin":       {Size: 1},
		"two-line origin": {Origin: "a\nb"},
		"empty extension": {Origin: "a", Extensions: []string{""}},
	} {
		if _, err := Sign(c, s); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := Sign(example()); err == nil {
		t.Error("signed without a signer")
	}
}

func TestKeysRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err == nil {
		if _, err := NewVerifier(origin, weak.Public()); !errors.Is(err, sigalg.ErrWeakKey) {
			t.Errorf("RSA 1024: %v", err)
		}
	}
	if _, err := NewVerifier(origin, "not a key"); !errors.Is(err, sigalg.ErrUnknown) {
		t.Errorf("string: %v", err)
	}
	if _, err := LogID(origin, 7); !errors.Is(err, sigalg.ErrUnknown) {
		t.Errorf("LogID of an int: %v", err)
	}
	for _, name := range []string{"", "a b", "a+b", "a\u00a0b", "\xff"} {
		if _, err := NewVerifier(name, testkit.P256(t).Public()); err == nil {
			t.Errorf("name %q accepted", name)
		}
	}
}

func TestTreeHead(t *testing.T) {
	key := testkit.P256(t)
	clock := func() time.Time { return time.UnixMilli(1764000000123) }
	s, err := NewTreeHeadSigner(origin, key, clock)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewTreeHeadVerifier(origin, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := Sign(example(), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(envelope, v); err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign([]byte(example().text()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sig {
		mangled := bytes.Clone(sig)
		mangled[i] ^= 1
		if v.Verify([]byte(example().text()), mangled) {
			t.Errorf("byte %d flipped: verifies", i)
		}
	}
	if v.Verify([]byte(example().text()), append(sig, 0)) {
		t.Error("trailing byte: verifies")
	}
	extended := example()
	extended.Extensions = []string{"x"}
	if _, err := Sign(extended, s); err == nil {
		t.Error("signed a tree head with extension lines")
	}
	if _, err := NewTreeHeadVerifier(origin, testkit.Ed25519(t).Public()); !errors.Is(err, sigalg.ErrUnknown) {
		t.Errorf("Ed25519 tree head key: %v", err)
	}
}

func FuzzParseText(f *testing.F) {
	f.Add(example().text())
	f.Add("o\n0\n" + example().Root.String() + "\nextension\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseText(text); err == nil && c.text() != text {
			t.Errorf("%q parses as %+v", text, c)
		}
	})
}

func FuzzOpen(f *testing.F) {
	s, v := newPair(f, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	envelope, err := Sign(example(), s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(envelope)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, _, err := Open(raw, v); err == nil && !reflect.DeepEqual(c, example()) {
			t.Errorf("forged %+v", c)
		}
	})
}

func FuzzTreeHeadSignature(f *testing.F) {
	key := testkit.P256(f)
	s, err := NewTreeHeadSigner(origin, key, func() time.Time { return time.UnixMilli(1) })
	if err != nil {
		f.Fatal(err)
	}
	v, err := NewTreeHeadVerifier(origin, key.Public())
	if err != nil {
		f.Fatal(err)
	}
	sig, err := s.Sign([]byte(example().text()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(example().text()), sig)
	f.Fuzz(func(t *testing.T, text, sig []byte) {
		if v.Verify(text, sig) && string(text) != example().text() {
			t.Errorf("forged %q", text)
		}
	})
}

// TestOpenRefusesOtherSpelling checks that the padding bits of base64 must be
// zero, so that a signature has one spelling.
func TestOpenRefusesOtherSpelling(t *testing.T) {
	s, v := newPair(t, testkit.Ed25519(t)) // 4 + 64 bytes: one padding sign
	envelope, err := Sign(example(), s)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndexByte(envelope, '=') - 1
	digits := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	envelope[at] = digits[strings.IndexByte(digits, envelope[at])^1]
	if _, _, err := Open(envelope, v); err == nil {
		t.Error("accepted with bits in the padding")
	}
}
