// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func witnessKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("a witness's seed of thirty-two b"))
}

func cosignedCheckpoint(t *testing.T, at time.Time) (envelope []byte, log, witness note.Verifier) {
	t.Helper()
	logKey := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signer, err := NewSigner("log.example.com", logKey)
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := NewCosigner("witness.example.com/w1", witnessKey(), func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	envelope, err = Sign(Checkpoint{Origin: "log.example.com", Size: 7, Root: tlog.Hash{1}}, signer, cosigner)
	if err != nil {
		t.Fatal(err)
	}
	if log, err = NewVerifier("log.example.com", logKey.Public()); err != nil {
		t.Fatal(err)
	}
	if witness, err = newCosignatureVerifier("witness.example.com/w1", witnessKey().Public().(ed25519.PublicKey)); err != nil {
		t.Fatal(err)
	}
	return envelope, log, witness
}

func TestCosignature(t *testing.T) {
	at := time.Unix(1679315147, 0)
	envelope, log, witness := cosignedCheckpoint(t, at)
	_, n, err := Open(envelope, log, witness)
	if err != nil || len(n.Sigs) != 2 {
		t.Fatalf("%+v, %v", n, err)
	}
	if got, err := cosignatureTime(n.Sigs[1]); err != nil || !got.Equal(at) {
		t.Errorf("made at %v, %v", got, err)
	}
	if _, err := cosignatureTime(n.Sigs[0]); err == nil {
		t.Error("the log's own signature has a time")
	}
	// The signed message, as the specification shows it.
	raw, err := base64.StdEncoding.DecodeString(n.Sigs[1].Base64)
	if err != nil {
		t.Fatal(err)
	}
	message := "cosignature/v1\ntime 1679315147\n" + n.Text
	if !ed25519.Verify(witnessKey().Public().(ed25519.PublicKey), []byte(message), raw[12:]) {
		t.Error("signature is over something else")
	}
}

// TestCosignatureMangled checks that every byte of the text and the cosignature
// counts.
func TestCosignatureMangled(t *testing.T) {
	envelope, log, witness := cosignedCheckpoint(t, time.Unix(1679315147, 0))
	_, n, err := Open(envelope, log, witness)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(n.Sigs[1].Base64)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw[4:] {
		mangled := append([]byte(nil), raw[4:]...)
		mangled[i] ^= 1
		if witness.Verify([]byte(n.Text), mangled) {
			t.Errorf("byte %d changed, and it verifies", i)
		}
	}
	for i := range n.Text {
		mangled := []byte(n.Text)
		mangled[i] ^= 1
		if witness.Verify(mangled, raw[4:]) {
			t.Errorf("byte %d of the text changed, and it verifies", i)
		}
	}
	late := binary.BigEndian.AppendUint64(nil, 1<<63)
	late = append(late, ed25519.Sign(witnessKey(), cosigned(1<<63, []byte(n.Text)))...)
	if witness.Verify([]byte(n.Text), late) || witness.Verify([]byte(n.Text), raw[4:20]) {
		t.Error("a time beyond 2^63, or half a cosignature, verifies")
	}
}

// TestKeyAgainstNote checks that log keys of x/mod are read and written
// unchanged.
func TestKeyAgainstNote(t *testing.T) {
	_, vkey, err := note.GenerateKey(nil, "log.example.com")
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(vkey)
	if err != nil || k.String() != vkey || k.Cosigning {
		t.Errorf("%+v, %v", k, err)
	}
	theirs, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := k.Verifier()
	if err != nil || ours.KeyHash() != theirs.KeyHash() || ours.Name() != theirs.Name() {
		t.Errorf("%v, %v", ours, err)
	}
}

func TestKeyOfWitness(t *testing.T) {
	k := Key{Name: "witness.example.com/w1", Public: witnessKey().Public().(ed25519.PublicKey), Cosigning: true}
	again, err := ParseKey(k.String())
	if err != nil || again.String() != k.String() || !again.Cosigning {
		t.Errorf("%+v, %v", again, err)
	}
	for name, text := range map[string]string{
		"empty":         "",
		"no name":       strings.TrimPrefix(k.String(), k.Name),
		"another ID":    strings.Replace(k.String(), "+", "+0", 1)[:len(k.String())],
		"another name":  "x" + k.String(),
		"trailing":      k.String() + "\n",
		"name of two":   "a b" + strings.TrimPrefix(k.String(), k.Name),
		"short key":     k.String()[:len(k.String())-8],
		"upper-case ID": strings.ToUpper(k.String()),
	} {
		if got, err := ParseKey(text); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(Key{Name: "witness.example.com/w1", Public: witnessKey().Public().(ed25519.PublicKey), Cosigning: true}.String())
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := ParseKey(text); err == nil && k.String() != text {
			t.Errorf("%q became %q", text, k)
		}
	})
}
