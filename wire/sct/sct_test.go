// SPDX-License-Identifier: Apache-2.0

package sct

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// An issuer is a root that signs the certificates of these tests.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer(t testing.TB) issuer {
	t.Helper()
	key := testkit.P256(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"},
		NotBefore: time.Unix(1764000000, 0), NotAfter: time.Unix(1864000000, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	return issuer{create(t, template, template, key, key), key}
}

func create(t testing.TB, template, parent *x509.Certificate, pub, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue creates a precertificate, has the log sign it, and creates the final
// certificate with the timestamp inside, as a Fulcio CA does.
func (ca issuer) issue(t testing.TB, logKey crypto.Signer) (precert, final *x509.Certificate, s SCT) {
	t.Helper()
	subject := testkit.P256(t)
	template := func(extra ...pkix.Extension) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(42), EmailAddresses: []string{"alice@example.com"},
			NotBefore: time.Unix(1764000000, 0), NotAfter: time.Unix(1764000600, 0),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: extra,
		}
	}
	precert = create(t, template(pkix.Extension{Id: OIDPoison(), Critical: true, Value: []byte{5, 0}}), ca.cert, subject, ca.key)
	entry, err := NewPrecert(precert, ca.cert)
	if err != nil {
		t.Fatal(err)
	}
	extensions, err := LeafIndexExtension(7)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Sign(logKey, entry, 1764000000123, extensions); err != nil {
		t.Fatal(err)
	}
	list, err := MarshalList([]SCT{s})
	if err != nil {
		t.Fatal(err)
	}
	final = create(t, template(pkix.Extension{Id: OIDList(), Value: list}), ca.cert, subject, ca.key)
	return precert, final, s
}

func TestIssueAndVerify(t *testing.T) {
	ca := newIssuer(t)
	rsaKey := testkit.RSA(t, 2048)
	for name, key := range map[string]crypto.Signer{"P-256": testkit.P256(t), "RSA": rsaKey} {
		precert, final, s := ca.issue(t, key)
		embedded, err := Embedded(final)
		if err != nil || len(embedded) != 1 || !reflect.DeepEqual(embedded[0], s) {
			t.Fatalf("%s: embedded %+v, %v, want %+v", name, embedded, err, s)
		}
		if err := s.Verify(final, ca.cert, key.Public()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Verify(precert, ca.cert, key.Public()); err != nil {
			t.Errorf("%s: over the precertificate: %v", name, err)
		}
		if err := s.Verify(final, ca.cert, testkit.P256(t).Public()); err == nil {
			t.Errorf("%s: verifies with another log's key", name)
		}
		if err := s.Verify(final, newIssuer(t).cert, key.Public()); !errors.Is(err, sigalg.ErrSignature) {
			t.Errorf("%s: verifies for another issuer: %v", name, err)
		}
		_, other, _ := ca.issue(t, key)
		if err := s.Verify(other, ca.cert, key.Public()); !errors.Is(err, sigalg.ErrSignature) {
			t.Errorf("%s: verifies for another certificate: %v", name, err)
		}
	}
}

func TestPrecertTBS(t *testing.T) {
	precert, final, _ := newIssuer(t).issue(t, testkit.P256(t))
	a, err := PrecertTBS(precert.RawTBSCertificate)
	if err != nil {
		t.Fatal(err)
	}
	b, err := PrecertTBS(final.RawTBSCertificate)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("precertificate and final certificate differ: %v\n%x\n%x", err, a, b)
	}
	again, err := PrecertTBS(a)
	if err != nil || !bytes.Equal(a, again) {
		t.Errorf("an entry without CT extensions changed: %v", err)
	}
	if len(final.Extensions) < 2 || bytes.Contains(a, []byte(derOIDList)) || bytes.Contains(a, []byte(derOIDPoison)) {
		t.Error("CT extensions are still there")
	}
}

func TestPrecertTBSWithoutOtherExtensions(t *testing.T) {
	poison := "\x30\x13" + derOIDPoison + "\x01\x01\xff\x04\x02\x05\x00"
	tbs := func(extensions string) []byte {
		if extensions != "" {
			extensions = "\x30" + string(rune(len(extensions))) + extensions
			extensions = "\xa3" + string(rune(len(extensions))) + extensions
		}
		fields := "\x02\x01\x2a" + extensions
		return []byte("\x30" + string(rune(len(fields))) + fields)
	}
	got, err := PrecertTBS(tbs(poison))
	if err != nil || !bytes.Equal(got, tbs("")) {
		t.Errorf("%x, %v, want %x", got, err, tbs(""))
	}
	for name, bad := range map[string][]byte{
		"doubled poison":    tbs(poison + poison),
		"trailing data":     append(tbs(poison), 0),
		"field after":       append([]byte{0x30, tbs(poison)[1] + 3}, append(tbs(poison)[2:], 2, 1, 0)...),
		"not a sequence":    []byte("\x31\x00"),
		"extension is null": tbs("\x05\x00"),
		"empty":             nil,
	} {
		if got, err := PrecertTBS(bad); err == nil {
			t.Errorf("%s: gives %x", name, got)
		}
	}
}

func TestEveryByteFlipped(t *testing.T) {
	ca, key := newIssuer(t), testkit.P256(t)
	_, final, s := ca.issue(t, key)
	raw, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		mangled := bytes.Clone(raw)
		mangled[i] ^= 1
		if m, err := Parse(mangled); err == nil && m.Verify(final, ca.cert, key.Public()) == nil {
			t.Errorf("byte %d flipped: verifies", i)
		}
	}
	for i := range raw {
		if _, err := Parse(raw[:i]); err == nil {
			t.Errorf("the first %d bytes parse", i)
		}
	}
	if _, err := Parse(append(raw, 0)); err == nil {
		t.Error("trailing data parses")
	}
}

func TestParseListRefuses(t *testing.T) {
	_, _, s := newIssuer(t).issue(t, testkit.P256(t))
	list, err := MarshalList([]SCT{s, s})
	if err != nil {
		t.Fatal(err)
	}
	if scts, err := ParseList(list); err != nil || len(scts) != 2 {
		t.Errorf("%d timestamps, %v", len(scts), err)
	}
	for name, bad := range map[string][]byte{
		"empty":         nil,
		"empty list":    {4, 2, 0, 0},
		"trailing":      append(bytes.Clone(list), 0),
		"truncated":     list[:len(list)-1],
		"empty SCT":     {4, 4, 0, 2, 0, 0},
		"inner garbage": {4, 5, 0, 2, 0, 0, 9},
	} {
		if _, err := ParseList(bad); err == nil {
			t.Errorf("%s: parses", name)
		}
	}
	if _, err := MarshalList(nil); err == nil {
		t.Error("an empty list was marshalled")
	}
	many := make([]SCT, maxList+1)
	if _, err := MarshalList(many); err == nil {
		t.Error("17 timestamps were marshalled")
	}
}

func TestEmbeddedRefuses(t *testing.T) {
	ext := pkix.Extension{Id: OIDList(), Value: []byte{4, 2, 0, 0}}
	if _, err := Embedded(&x509.Certificate{Extensions: []pkix.Extension{ext}}); err == nil {
		t.Error("an empty list is accepted")
	}
	_, final, _ := newIssuer(t).issue(t, testkit.P256(t))
	for _, e := range final.Extensions {
		if e.Id.Equal(OIDList()) {
			ext = e
		}
	}
	if _, err := Embedded(&x509.Certificate{Extensions: []pkix.Extension{ext, ext}}); err == nil {
		t.Error("two lists are accepted")
	}
	if scts, err := Embedded(&x509.Certificate{}); scts != nil || err != nil {
		t.Errorf("no list gives %v, %v", scts, err)
	}
}

func TestLogKeysRefused(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sign(p384, Precert{}, 0, nil); !errors.Is(err, sigalg.ErrWeakKey) {
		t.Errorf("P-384: %v", err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sign(edKey, Precert{}, 0, nil); !errors.Is(err, sigalg.ErrUnknown) {
		t.Errorf("Ed25519: %v", err)
	}
}

func TestLeaf(t *testing.T) {
	ca, key := newIssuer(t), testkit.P256(t)
	precert, _, s := ca.issue(t, key)
	entry, err := NewPrecert(precert, ca.cert)
	if err != nil {
		t.Fatal(err)
	}
	leaf := Leaf{
		Timestamp: s.Timestamp, Entry: entry, Extensions: s.Extensions,
		PreCertificate: precert.Raw, Chain: [][32]byte{sha256.Sum256(ca.cert.Raw), {1}},
	}
	raw, err := leaf.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, rest, err := ParseLeaf(append(bytes.Clone(raw), "rest"...))
	if err != nil || string(rest) != "rest" || !reflect.DeepEqual(got, leaf) {
		t.Errorf("round trip: %v, rest %q", err, rest)
	}
	for i := range raw {
		if _, _, err := ParseLeaf(raw[:i]); err == nil {
			t.Errorf("the first %d bytes parse", i)
		}
	}
	signed, err := s.signedEntry(entry)
	if err != nil {
		t.Fatal(err)
	}
	if merkle, err := leaf.MerkleTreeLeaf(); err != nil || !bytes.Equal(merkle, signed) {
		t.Errorf("MerkleTreeLeaf differs from the signed entry: %v", err)
	}
}

func TestLeafIndex(t *testing.T) {
	for _, index := range []uint64{0, 1, 255, 1 << 32, maxLeafIndex} {
		ext, err := LeafIndexExtension(index)
		if err != nil || len(ext) != 8 {
			t.Fatalf("%d: %x, %v", index, ext, err)
		}
		if got, ok, err := ParseLeafIndex(append([]byte{9, 0, 1, 1}, ext...)); got != index || !ok || err != nil {
			t.Errorf("%d: %d, %v, %v", index, got, ok, err)
		}
	}
	if _, err := LeafIndexExtension(maxLeafIndex + 1); err == nil {
		t.Error("41 bits were accepted")
	}
	if _, ok, err := ParseLeafIndex(nil); ok || err != nil {
		t.Errorf("no extensions: %v, %v", ok, err)
	}
	for _, bad := range []string{"\x00", "\x00\x00\x05", "\x00\x00\x01\x01", "\x01\x00\x00\x01\x00\x00"} {
		if _, _, err := ParseLeafIndex([]byte(bad)); err == nil {
			t.Errorf("%x parses", bad)
		}
	}
}

func FuzzParseList(f *testing.F) {
	list, err := MarshalList([]SCT{{Timestamp: 1, Signature: []byte("sig"), Extensions: []byte("ext")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list)
	f.Fuzz(func(t *testing.T, raw []byte) {
		scts, err := ParseList(raw)
		if err != nil {
			return
		}
		if again, err := MarshalList(scts); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%x comes back as %x, %v", raw, again, err)
		}
	})
}

func FuzzPrecertTBS(f *testing.F) {
	_, final, _ := newIssuer(f).issue(f, testkit.P256(f))
	f.Add(final.RawTBSCertificate)
	f.Fuzz(func(t *testing.T, raw []byte) {
		tbs, err := PrecertTBS(raw)
		if err != nil {
			return
		}
		if again, err := PrecertTBS(tbs); err != nil || !bytes.Equal(again, tbs) {
			t.Errorf("%x is not stable: %x, %v", tbs, again, err)
		}
	})
}

func FuzzParseLeaf(f *testing.F) {
	leaf, err := Leaf{Timestamp: 1, Entry: Precert{TBS: []byte("tbs")}, Chain: [][32]byte{{}}}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(leaf)
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, rest, err := ParseLeaf(raw)
		if err != nil {
			return
		}
		if again, err := l.Marshal(); err != nil || !bytes.Equal(append(again, rest...), raw) {
			t.Errorf("%x comes back as %x, %v", raw, again, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	list, err := MarshalList([]SCT{{Timestamp: 1, Signature: []byte("sig"), Extensions: []byte{0, 0, 5, 0, 0, 0, 0, 1}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list[6:]) // OCTET STRING and two lengths
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Parse(raw)
		if err != nil {
			return
		}
		index, ok, err := ParseLeafIndex(s.Extensions)
		if err != nil || !ok {
			return
		}
		if _, err := LeafIndexExtension(index); err != nil {
			t.Errorf("index %d: %v", index, err)
		}
	})
}
