// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// san returns a subject alternative name extension with these encoded names.
func san(t testing.TB, names ...asn1.RawValue) pkix.Extension {
	t.Helper()
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: testkit.Must(asn1.Marshal(names))(t)}
}

func general(tag int, value string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}
}

const (
	tagEmail = 1
	tagDNS   = 2
	tagURI   = 6
)

// named returns a change of a certificate's names.
func named(t testing.TB, names ...asn1.RawValue) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for i, ext := range c.ExtraExtensions {
			if ext.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
				c.ExtraExtensions[i] = san(t, names...)
			}
		}
	}
}

func many(n int, name func(int) asn1.RawValue) []asn1.RawValue {
	var all []asn1.RawValue
	for i := range n {
		all = append(all, name(i))
	}
	return all
}

func extended(id asn1.ObjectIdentifier, critical bool, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	}
}

// TestHostileCertificates checks certificates that were issued by a certificate authority of
// the trusted root and logged by a CT log, but are invalid or not alice's.
func TestHostileCertificates(t *testing.T) {
	in := newInstance(t, "example.com")
	v, o := in.verifier(t), in.complete(t, order{})
	email := general(tagEmail, "alice@example.com")
	private := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		want   outcome
	}{
		"as it should be":         {named(t, email), accepted},
		"10,000 mailboxes":        {named(t, many(10_000, func(i int) asn1.RawValue { return general(tagEmail, fmt.Sprintf("a%d@example.com", i)) })...), noShape},
		"10,000 hosts":            {named(t, many(10_000, func(i int) asn1.RawValue { return general(tagDNS, fmt.Sprintf("a%d.example.com", i)) })...), noShape},
		"10,000 URIs, alice last": {named(t, append(many(10_000, func(i int) asn1.RawValue { return general(tagURI, fmt.Sprintf("https://a/%d", i)) }), email)...), noShape},
		"a name of 1 MB":          {named(t, general(tagURI, "https://a/"+strings.Repeat("a", 1<<20))), noShape},
		"alice twice":             {named(t, email, email), noIdentity},
		"alice and bob":           {named(t, email, general(tagEmail, "bob@example.com")), noIdentity},
		"bob and alice":           {named(t, general(tagEmail, "bob@example.com"), email), noIdentity},
		"alice and a URI":         {named(t, email, general(tagURI, "https://example.com")), noIdentity},
		"alice and a host":        {named(t, email, general(tagDNS, "example.com")), noIdentity},
		"alice as a URI":          {named(t, general(tagURI, "alice@example.com")), noIdentity},
		"no name":                 {named(t), noIdentity},
		"NUL behind":              {named(t, general(tagEmail, "alice@example.com\x00")), noIdentity},
		"NUL and more":            {named(t, general(tagEmail, "alice@example.com\x00.example.net")), noIdentity},
		"NUL before":              {named(t, general(tagEmail, "\x00alice@example.com")), noIdentity},
		"NUL in a URI":            {named(t, general(tagURI, "https://example.com\x00/")), noShape}, // crypto/x509 parses URIs
		"line break":              {named(t, general(tagEmail, "alice@example.com\n")), noIdentity},
		"space behind":            {named(t, general(tagEmail, "alice@example.com ")), noIdentity},
		"dot behind":              {named(t, general(tagEmail, "alice@example.com.")), noIdentity},
		"other case":              {named(t, general(tagEmail, "Alice@example.com")), noIdentity},
		"Cyrillic a":              {named(t, general(tagEmail, "аlice@example.com")), noShape}, // no IA5String
		"Cyrillic a in a URI":     {named(t, general(tagURI, "https://exаmple.com")), noShape},
		"in punycode":             {named(t, general(tagEmail, "alice@xn--exmple-4nf.com")), noIdentity},
		"fullwidth":               {named(t, general(tagEmail, "alice＠example.com")), noShape},
		"zero-width space":        {named(t, general(tagEmail, "alice\u200b@example.com")), noShape},
		"a large extension":       {extended(private, false, make([]byte, 1<<20)), noShape},
		"10,000 extensions": {func(c *x509.Certificate) {
			for i := range 10_000 {
				extended(append(private[:len(private):len(private)], i), false, nil)(c)
			}
		}, noShape},
		"1,000 extensions": {func(c *x509.Certificate) {
			for i := range 1_000 {
				extended(append(private[:len(private):len(private)], i), false, nil)(c)
			}
		}, accepted},
		"1,000 mailboxes":          {named(t, many(1_000, func(i int) asn1.RawValue { return general(tagEmail, fmt.Sprintf("a%d@example.com", i)) })...), noIdentity},
		"10,000 empty mailboxes":   {named(t, many(10_000, func(int) asn1.RawValue { return general(tagEmail, "") })...), noIdentity},
		"an extension of 25 KB":    {extended(private, false, make([]byte, 25<<10)), accepted},
		"an extension twice":       {func(c *x509.Certificate) { extended(private, false, nil)(c); extended(private, false, nil)(c) }, noShape},
		"an unknown, critical":     {extended(private, true, nil), noChain},
		"another issuer beside":    {extended(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, false, []byte{0x0c, 0}), noShape},
		"dates of year 1 and 9999": {dated(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)), accepted},
		"over in year 1":           {dated(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)), outcome{verify.StepChain, verify.CertificateExpired}},
		"begins in 9999":           {dated(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)), outcome{verify.StepChain, verify.CertificateExpired}},
		"over before it begins":    {dated(signedAt.Add(time.Hour), signedAt.Add(-time.Hour)), outcome{verify.StepChain, verify.CertificateExpired}},
		"an authority's":           {func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, accepted}, // issued and logged for alice all the same
		"constrains names": {func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.net"}, true
		}, accepted}, // and there is no certificate below
		"for every usage":           {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, noChain},
		"for servers and code":      {func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) }, accepted},
		"serial of 20 bytes":        {func(c *x509.Certificate) { c.SerialNumber = c.SerialNumber.Lsh(c.SerialNumber, 150) }, accepted},
		"a subject of 1 MB":         {func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("a", 1<<20) }, noShape},
		"alice as the subject only": {func(c *x509.Certificate) { c.Subject.CommonName = "alice@example.com"; named(t)(c) }, noIdentity},
	} {
		t.Run(name, func(t *testing.T) {
			der, ok := in.hostile(t, o, c.change)
			if !ok && c.want != noShape {
				t.Fatal("crypto/x509 does not read it")
			}
			c.want.judge(t, v, in.loggedAs(t, der), trustAlice)
		})
	}
}

// hostile issues a certificate after a change, with an SCT unless crypto/x509
// can't read it.
func (in *instance) hostile(t testing.TB, o order, change func(*x509.Certificate)) ([]byte, bool) {
	t.Helper()
	template := in.template(t, o)
	change(template)
	der := testkit.Must(x509.CreateCertificate(rand.Reader, template, o.ca.cert, o.key.Public(), o.ca.key))(t)
	if _, err := x509.ParseCertificate(der); err != nil {
		return der, false
	}
	return in.promised(t, o, change, func(entry sct.Precert) []byte {
		return testkit.Must(sct.MarshalList([]sct.SCT{testkit.Must(sct.Sign(in.ct, entry, uint64(signedAt.UnixMilli()), nil))(t)}))(t)
	}).Raw, true
}

// loggedAs returns a bundle with this certificate, which may be malformed, and its log entry.
func (in *instance) loggedAs(t testing.TB, certificate []byte) *bundle.Bundle {
	t.Helper()
	b := in.sign(t, artifact, order{logs: []*logServer{}})
	b.Certificates[0] = certificate
	b.Entries = []rekor.Entry{in.hashed(t, rekor.HashedRekord{Digest: b.Message.Digest, Signature: b.Signature(),
		Verifier: rekor.Verifier{Certificate: certificate, KeyDetails: sigalg.ECDSAP256SHA256}})}
	return b
}

func dated(from, to time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

// TestNameConstraints checks that an issuer's name constraints apply, for any number of names.
func TestNameConstraints(t *testing.T) {
	in := newInstance(t, "example.com")
	for name, c := range map[string]struct {
		constrain func(*x509.Certificate)
		who       string
		uri       bool
		want      outcome
	}{
		"mailboxes of the domain":    {func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"example.com"} }, "alice@example.com", false, accepted},
		"mailboxes of another":       {func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"example.net"} }, "alice@example.com", false, noChain},
		"this mailbox is excluded":   {func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"alice@example.com"} }, "alice@example.com", false, noChain},
		"another mailbox is":         {func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"bob@example.com"} }, "alice@example.com", false, accepted},
		"URIs of the domain":         {func(c *x509.Certificate) { c.PermittedURIDomains = []string{"example.com"} }, "https://example.com/a", true, accepted},
		"URIs of another":            {func(c *x509.Certificate) { c.PermittedURIDomains = []string{"example.net"} }, "https://example.com/a", true, noChain},
		"10,000 other mailboxes":     {func(c *x509.Certificate) { c.PermittedEmailAddresses = others(10_000) }, "alice@example.com", false, noChain},
		"10,000 excluded mailboxes":  {func(c *x509.Certificate) { c.ExcludedEmailAddresses = others(10_000) }, "alice@example.com", false, accepted},
		"hosts, which alice is none": {func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.net"} }, "alice@example.com", false, accepted},
	} {
		t.Run(name, func(t *testing.T) {
			template := caTemplate("constrained")
			template.PermittedDNSDomainsCritical = true
			c.constrain(template)
			ca := issue(t, template, fixedKey(t, "constrained"), &in.ca)
			v := in.rooted(t, func(r *trust.Root) { r.CertificateAuthorities[0].Chain = []*x509.Certificate{ca.cert, in.ca.cert} })
			who := identity.Identity{Issuer: alice.Issuer, Subject: identity.Subject{Type: identity.Email, Value: c.who}}
			if c.uri {
				who.Subject.Type = identity.URI
			}
			b := in.sign(t, artifact, order{ca: &ca, who: who})
			_, err := v.Verify(b, fromBytes(artifact), verify.Requirements{Identities: []identity.Matcher{identity.NewMatcher(c.who, alice.Issuer)}})
			c.want.check(t, err)
		})
	}
	// So many names and constraints that comparing each pair would take too long.
	template := caTemplate("constrained")
	template.PermittedEmailAddresses = append(others(5_000), "example.com")
	ca := issue(t, template, fixedKey(t, "constrained"), &in.ca)
	v := in.rooted(t, func(r *trust.Root) { r.CertificateAuthorities[0].Chain = []*x509.Certificate{ca.cert, in.ca.cert} })
	der, _ := in.hostile(t, in.complete(t, order{ca: &ca}), named(t, many(900, func(i int) asn1.RawValue { return general(tagEmail, fmt.Sprintf("a%d@example.com", i)) })...))
	start := time.Now()
	_, err := v.Verify(in.loggedAs(t, der), fromBytes(artifact), trustAlice)
	if noIdentity.check(t, err); time.Since(start) > time.Minute {
		t.Errorf("took %v", time.Since(start))
	}
}

func others(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("bob%d@example.com", i))
	}
	return all
}

// TestHostileSCTLists checks lists of SCTs with too many or too long elements, or wrong
// lengths.
func TestHostileSCTLists(t *testing.T) {
	in := newInstance(t, "example.com")
	v, o := in.verifier(t), in.complete(t, order{})
	// tls returns a TLS vector with a length of 16 bits; der returns an OCTET STRING.
	tls := func(raw []byte) []byte { return append([]byte{byte(len(raw) >> 8), byte(len(raw))}, raw...) }
	der := func(raw []byte) []byte { return testkit.Must(asn1.Marshal(raw))(t) }
	for name, list := range map[string]func(one []byte) []byte{
		"17":                   func(one []byte) []byte { return der(tls(bytes.Repeat(tls(one), 17))) },
		"500":                  func(one []byte) []byte { return der(tls(bytes.Repeat(tls(one), 500))) },
		"10,000":               func(one []byte) []byte { return der(tls(bytes.Repeat(tls(one), 10_000))) }, // beyond what the length can say
		"10,000 empty":         func(one []byte) []byte { return der(tls(bytes.Repeat([]byte{0, 0}, 10_000))) },
		"none":                 func([]byte) []byte { return der(tls(nil)) },
		"no list":              func([]byte) []byte { return der(nil) },
		"no DER":               func([]byte) []byte { return []byte{1} },
		"cut":                  func(one []byte) []byte { return der(tls(tls(one))[:20]) },
		"trailing data":        func(one []byte) []byte { return append(der(tls(tls(one))), 0) },
		"trailing in the list": func(one []byte) []byte { return der(append(tls(tls(one)), 0)) },
		"trailing in the SCT":  func(one []byte) []byte { return der(tls(tls(append(one, 0)))) },
		"of another version":   func(one []byte) []byte { return der(tls(tls(append([]byte{1}, one[1:]...)))) },
		"length in the long form": func(one []byte) []byte {
			raw := der(tls(tls(one)))
			return append([]byte{raw[0], 0x82, 0}, raw[len(raw)-len(tls(tls(one)))-1:]...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cert := in.promised(t, o, unchanged, func(entry sct.Precert) []byte {
				return list(testkit.Must(testkit.Must(sct.Sign(in.ct, entry, uint64(signedAt.UnixMilli()), nil))(t).Marshal())(t))
			})
			want := noSCT
			if len(cert.Raw) > bundle.MaxChain {
				want = noShape
			}
			want.judge(t, v, in.loggedAs(t, cert.Raw), trustAlice)
		})
	}
	// Times out of range.
	for _, at := range []uint64{0, math.MaxInt64 + 1, math.MaxUint64} {
		cert := in.promised(t, o, unchanged, func(entry sct.Precert) []byte {
			return testkit.Must(sct.MarshalList([]sct.SCT{testkit.Must(sct.Sign(in.ct, entry, at, nil))(t)}))(t)
		})
		outcome{verify.StepSCT, verify.SCTMissing}.judge(t, v, in.loggedAs(t, cert.Raw), trustAlice)
	}
}

// TestHomoglyphs checks that names are compared as bytes: names that look alike, or have the
// same Unicode normal form, are different.
func TestHomoglyphs(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	const composed, decomposed = "ren\u00e9!example.com", "rene\u0301!example.com"
	for name, c := range map[string]struct{ subject, issuer, want, from string }{
		"Cyrillic a":           {"\u0430lice!example.com", alice.Issuer, "alice!example.com", alice.Issuer},
		"Latin for Cyrillic":   {"alice!example.com", alice.Issuer, "\u0430lice!example.com", alice.Issuer},
		"decomposed":           {decomposed, alice.Issuer, composed, alice.Issuer},
		"composed":             {composed, alice.Issuer, decomposed, alice.Issuer},
		"fullwidth":            {"\uff41lice!example.com", alice.Issuer, "alice!example.com", alice.Issuer},
		"zero-width space":     {"alice\u200b!example.com", alice.Issuer, "alice!example.com", alice.Issuer},
		"long s":               {"ali\u017f!example.com", alice.Issuer, "alis!example.com", alice.Issuer},
		"issuer with Cyrillic": {"alice!example.com", "https://login.ex\u0430mple.com", "alice!example.com", alice.Issuer},
	} {
		t.Run(name, func(t *testing.T) {
			who := identity.Identity{Issuer: c.issuer, Subject: identity.Subject{Type: identity.Username, Value: c.subject}}
			b := in.sign(t, artifact, order{who: who})
			noIdentity.judge(t, v, b, verify.Requirements{Identities: []identity.Matcher{identity.NewMatcher(c.want, c.from)}})
			accepted.judge(t, v, b, verify.Requirements{Identities: []identity.Matcher{identity.NewMatcher(c.subject, c.issuer)}})
			noIdentity.judge(t, v, b, verify.Requirements{Identities: []identity.Matcher{{Subject: identity.Glob("alice!*"), Issuer: identity.Exact("https://login.example.net")}}})
		})
	}
}
