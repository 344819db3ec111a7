// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

const issuer = "https://login.example.com"

// identities returns at least one identity of every subject type.
func identities() []Identity {
	full := Identity{Issuer: issuer, Subject: Subject{URI, "https://example.com/build@refs/heads/main"}}
	for _, f := range buildFields {
		*f.value(&full.Build) = "value of " + f.name
	}
	return []Identity{
		{Issuer: issuer, Subject: Subject{Email, "alice@example.com"}},
		{Issuer: issuer, Subject: Subject{Username, "bob!example.com"}},
		{Issuer: issuer, Subject: Subject{URI, "spiffe://example.com/build"}, Build: Build{TokenSubject: "bob", SourceVisibility: "public"}},
		full,
	}
}

func extensionsOf(t testing.TB, id Identity) []pkix.Extension {
	t.Helper()
	exts, err := id.Extensions()
	if err != nil {
		t.Fatal(err)
	}
	return exts
}

// TestRoundTripThroughCertificate checks that an identity survives signing and parsing by
// crypto/x509.
func TestRoundTripThroughCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range identities() {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1864000000, 0), ExtraExtensions: extensionsOf(t, id)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		got, err := FromCertificate(cert)
		if err != nil || got != id {
			t.Errorf("%v: read back as %+v, %v", id.Subject, got, err)
		}
		if id.Subject.Type == Email && !slices.Equal(cert.EmailAddresses, []string{id.Subject.Value}) {
			t.Errorf("crypto/x509 reads %v", cert.EmailAddresses)
		}
		if id.Subject.Type == URI && (len(cert.URIs) != 1 || cert.URIs[0].String() != id.Subject.Value) {
			t.Errorf("crypto/x509 reads %v", cert.URIs)
		}
	}
}

// TestUsernameBytes compares the other name with the structure of oid-info.md.
func TestUsernameBytes(t *testing.T) {
	san, err := Subject{Username, "bob"}.extension()
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("\x30\x15\xa0\x13\x06\x0a\x2b\x06\x01\x04\x01\x83\xbf\x30\x01\x07\xa0\x05\x0c\x03bob")
	if !san.Critical || !bytes.Equal(san.Value, want) {
		t.Errorf("critical %v, value %x, want %x", san.Critical, san.Value, want)
	}
}

// TestEveryByteFlipped checks that a certificate with a changed byte is refused
// or has another identity.
func TestEveryByteFlipped(t *testing.T) {
	for _, id := range identities() {
		exts := extensionsOf(t, id)
		for i := range exts {
			for j := range exts[i].Value {
				exts[i].Value[j] ^= 1
				if got, err := FromCertificate(&x509.Certificate{Extensions: exts}); err == nil && got == id {
					t.Errorf("%v: flipping byte %d of %v changes nothing", id.Subject, j, exts[i].Id)
				}
				exts[i].Value[j] ^= 1
			}
		}
	}
}

func TestFromCertificateRefuses(t *testing.T) {
	exts := extensionsOf(t, identities()[0])
	san, raw, der := exts[0], exts[1], exts[2]
	name := func(value string) pkix.Extension { return pkix.Extension{Id: oidSAN, Value: []byte(value)} }
	with := func(arc int, value string) pkix.Extension {
		return pkix.Extension{Id: fulcioOID(arc), Value: []byte(value)}
	}
	for why, exts := range map[string][]pkix.Extension{
		"nothing":                   nil,
		"no subject":                {raw, der},
		"no issuer":                 {san},
		"two SAN extensions":        {san, san, raw, der},
		"two issuers alike":         {san, raw, raw, der},
		"no name":                   {name("\x30\x00"), raw, der},
		"several names":             {name("\x30\x0a\x81\x03a@b\x81\x03b@b"), raw, der},
		"DNS name":                  {name("\x30\x05\x82\x03a.b"), raw, der},
		"empty email":               {name("\x30\x02\x81\x00"), raw, der},
		"NUL in email":              {name("\x30\x06\x81\x04a@b\x00"), raw, der},
		"email beyond ASCII":        {name("\x30\x07\x81\x05a@b\xc3\xa9"), raw, der},
		"relative URI":              {name("\x30\x05\x86\x03a/b"), raw, der},
		"foreign other name":        {name("\x30\x0b\xa0\x09\x06\x02\x2a\x03\xa0\x03\x0c\x01a"), raw, der},
		"trailing data":             {name(string(san.Value) + "\x00"), raw, der},
		"indefinite length":         {name("\x30\x80\x81\x03a@b\x00\x00"), raw, der},
		"issuers differ":            {san, with(arcIssuerRaw, "https://example.com"), der},
		"issuer not DER":            {san, with(arcIssuer, issuer)},
		"issuer PrintableString":    {san, with(arcIssuer, "\x13\x01a")},
		"issuer with newline":       {san, with(arcIssuerRaw, "a\nb")},
		"issuer turns direction":    {san, with(arcIssuerRaw, "a\u202eb")},
		"issuer not UTF-8":          {san, with(arcIssuer, "\x0c\x01\xff")},
		"empty issuer":              {san, with(arcIssuer, "\x0c\x00")},
		"build field with trailing": {san, raw, der, with(9, "\x0c\x01a\x00")},
		"build field raw":           {san, raw, der, with(24, "bob")},
	} {
		if id, err := FromCertificate(&x509.Certificate{Extensions: exts}); err == nil || id != (Identity{}) {
			t.Errorf("%s: read as %+v", why, id)
		}
	}
}

// TestFromCertificateAccepts checks that old certificates have .1 alone, that
// new ones may drop it, and that unknown arcs are ignored.
func TestFromCertificateAccepts(t *testing.T) {
	exts := extensionsOf(t, identities()[0])
	later := pkix.Extension{Id: fulcioOID(99), Value: []byte{0}}
	other := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}}
	for _, exts := range [][]pkix.Extension{exts[:2], {exts[0], exts[2]}, append(exts, later, other)} {
		if id, err := FromCertificate(&x509.Certificate{Extensions: exts}); err != nil || id != identities()[0] {
			t.Errorf("read as %+v, %v", id, err)
		}
	}
}

func TestExtensionsRefuse(t *testing.T) {
	good := Subject{Email, "alice@example.com"}
	for _, id := range []Identity{
		{},
		{Subject: good},
		{Issuer: issuer},
		{Issuer: issuer, Subject: Subject{Value: "alice@example.com"}},
		{Issuer: issuer, Subject: Subject{Type: Username}},
		{Issuer: issuer, Subject: Subject{URI, "no scheme"}},
		{Issuer: issuer, Subject: Subject{Username, strings.Repeat("a", maxName+1)}},
		{Issuer: issuer + "\x00", Subject: good},
		{Issuer: issuer, Subject: good, Build: Build{Trigger: "push\r"}},
	} {
		if _, err := id.Extensions(); err == nil {
			t.Errorf("%+v was written", id)
		}
	}
}

func TestMatcher(t *testing.T) {
	alice := identities()[0]
	named := func(subject, issuer Pattern, of SubjectType) Matcher {
		return Matcher{Subject: subject, Issuer: issuer, Type: of}
	}
	name, from := Exact("alice@example.com"), Exact(issuer)
	for _, c := range []struct {
		m    Matcher
		want bool
	}{
		{NewMatcher("alice@example.com", issuer), true},
		{named(name, from, Email), true},
		{named(name, from, URI), false},
		{named(Glob("*@example.com"), from, Email), true},
		{named(Glob("**"), Glob("**"), 0), true},
		{NewMatcher("Alice@example.com", issuer), false},
		{NewMatcher("*@example.com", issuer), false},
		{NewMatcher("alice@example.com", issuer+"/"), false},
		{named(name, Pattern{}, 0), false},
		{named(Pattern{}, from, 0), false},
		{Matcher{Subject: name, Issuer: from, Build: map[Field]Pattern{Trigger: Glob("**")}}, false},
		{Matcher{Subject: name, Issuer: from, Build: map[Field]Pattern{99: Exact("")}}, false},
	} {
		if c.m.Match(alice) != c.want {
			t.Errorf("%+v: want %v", c.m, c.want)
		}
	}
	if (Matcher{}).Match(Identity{}) || NewMatcher("", "").Match(Identity{}) {
		t.Error("a matcher of nothing matches")
	}
}

// TestDifferences checks that each differing field is named by its extension.
func TestDifferences(t *testing.T) {
	for _, id := range identities() {
		m := NewMatcher(id.Subject.Value, id.Issuer)
		m.Build = map[Field]Pattern{}
		for _, f := range Fields() {
			if value := id.Build.Get(f); value != "" {
				m.Build[f] = Exact(value)
			}
			if FieldByName(f.String()) != f {
				t.Errorf("%v is not found by its name", f)
			}
		}
		if !m.Match(id) {
			t.Errorf("%v: not matched: %v", id.Subject, m.Differences(id))
		}
		for f := range m.Build {
			m.Build[f] = Exact("another")
			d := m.Differences(id)
			if len(d) != 1 || d[0].Field != f || d[0].Found != id.Build.Get(f) {
				t.Errorf("%v: %v is said to differ in %v", id.Subject, f, d)
			}
			m.Build[f] = Exact(id.Build.Get(f))
		}
	}
}

func FuzzFromCertificate(f *testing.F) {
	for _, id := range identities() {
		exts := extensionsOf(f, id)
		f.Add(exts[0].Value, exts[2].Value)
	}
	f.Fuzz(func(t *testing.T, san, der []byte) {
		exts := []pkix.Extension{{Id: oidSAN, Value: san}, {Id: fulcioOID(arcIssuer), Value: der}}
		id, err := FromCertificate(&x509.Certificate{Extensions: exts})
		if err != nil {
			return
		}
		written := extensionsOf(t, id)
		if !bytes.Equal(written[0].Value, san) || !bytes.Equal(written[2].Value, der) {
			t.Errorf("%+v is written in other bytes", id)
		}
	})
}
