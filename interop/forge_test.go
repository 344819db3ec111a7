// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// forgedAt is when forged signatures are made; certificates last ten minutes.
var forgedAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const (
	forgedIdentity = "alice@example.com"
	forgedIssuer   = "https://login.example.com"
)

// steady signs the same thing the same way each time (RFC 6979), so that a
// mutant is the same in every run.
type steady struct{ *ecdsa.PrivateKey }

func (k steady) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.PrivateKey.Sign(nil, digest, opts)
}

// steadyKey derives a P-256 key from a label.
func steadyKey(label string) steady {
	sum := sha256.Sum256([]byte(label))
	return steady{must(ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:]))}
}

// must ends the program's goroutine where forging itself goes wrong: a fault of
// the test, which names no mutant.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An issued is a certificate and its key.
type issued struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// issue signs a template with the issuer's key; without issuer it signs itself.
func issue(template *x509.Certificate, key crypto.Signer, issuer *issued) issued {
	if issuer == nil {
		issuer = &issued{template, key}
	}
	return issued{must(x509.ParseCertificate(issuer.sign(template, key))), key}
}

// sign returns a certificate in DER, which may be malformed.
func (i issued) sign(template *x509.Certificate, key crypto.Signer) []byte {
	return must(x509.CreateCertificate(nil, template, i.cert, key.Public(), i.key))
}

func authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"forge"}, CommonName: name},
		NotBefore: forgedAt.AddDate(-1, 0, 0), NotAfter: forgedAt.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, MaxPathLen: -1,
	}
}

// A forgedLog is a transparency log that signs anything.
type forgedLog struct {
	origin string
	key    steady
	id     []byte
}

// A stamper is a timestamp authority. hallmark's signer makes the token with a valid
// certificate, which the odd one replaces afterwards.
type stamper struct {
	signer *timestamp.Signer
	usual  *x509.Certificate
	odd    *x509.Certificate
	key    steady
}

// A forge is a small Sigstore instance with accessible keys. All of it is derived from labels.
type forge struct {
	root     issued
	issuers  map[string]issued // the certificates below the root that issue, by what is odd about them
	ct       steady
	logs     []forgedLog
	stampers map[string]stamper // by what is odd about them
	trusted  []byte             // trusted_root.json
}

func newForge(t testing.TB) *forge {
	t.Helper()
	f := &forge{ct: steadyKey("ct"), issuers: map[string]issued{}, stampers: map[string]stamper{}}
	f.root = issue(authorityTemplate("forge root"), steadyKey("root"), nil)
	trusted := &trust.Root{}
	window := trust.Validity{Start: forgedAt.AddDate(0, -1, 0)}
	for _, odd := range oddIssuers() {
		template := authorityTemplate("forge intermediate " + odd.name)
		odd.change(template)
		issuer := issue(template, steadyKey("intermediate "+odd.name), &f.root)
		f.issuers[odd.name] = issuer
		validity := window
		if odd.name == "past" {
			validity.End = forgedAt.Add(-time.Second)
		}
		trusted.CertificateAuthorities = append(trusted.CertificateAuthorities, trust.Authority{
			URI: "https://ca.forge.example", Chain: []*x509.Certificate{issuer.cert, f.root.cert}, Validity: validity,
		})
	}
	algorithm := must(sigalg.ByName(sigalg.ECDSAP256SHA256))
	ctID := must(checkpoint.LegacyLogID(f.ct.Public()))
	trusted.CTLogs = []trust.Log{{BaseURL: "https://ct.forge.example", ID: ctID[:], Key: f.ct.Public(), Algorithm: algorithm, Validity: window}}
	for _, host := range []string{"log1.forge.example", "log2.forge.example", "untrusted.forge.example"} {
		key := steadyKey(host)
		log := forgedLog{host, key, must(checkpoint.LogID(host, key.Public()))}
		f.logs = append(f.logs, log)
		if host != "untrusted.forge.example" {
			trusted.Logs = append(trusted.Logs, trust.Log{
				BaseURL: "https://" + host, ID: log.id, Key: key.Public(), Algorithm: algorithm, Validity: window,
			})
		}
	}
	f.addStampers(trusted, window)
	f.trusted = must(trusted.Marshal())
	return f
}

// addStampers makes the timestamp authorities, all of them trusted but for the
// sibling of the plain one, whose root is.
func (f *forge) addStampers(trusted *trust.Root, window trust.Validity) {
	for _, odd := range oddStampers() {
		under := "stamp root " + odd.name
		if odd.name == "sibling" {
			under = "stamp root plain"
		}
		root := issue(authorityTemplate(under), steadyKey(under), nil)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "stamper " + odd.name},
			NotBefore: forgedAt.AddDate(-1, 0, 0), NotAfter: forgedAt.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
			ExtraExtensions: []pkix.Extension{usage(true, oidTimeStamping)},
		}
		s := stamper{key: steadyKey("stamper " + odd.name)}
		s.usual = issue(template, s.key, &root).cert
		odd.change(template)
		s.odd = issue(template, s.key, &root).cert
		s.signer = must(timestamp.NewSigner(s.key, []*x509.Certificate{s.usual, root.cert}))
		f.stampers[odd.name] = s
		if odd.name != "sibling" {
			trusted.TimestampAuthorities = append(trusted.TimestampAuthorities, trust.Authority{
				URI: "https://tsa-" + odd.name + ".forge.example", Chain: []*x509.Certificate{s.odd, root.cert}, Validity: window,
			})
		}
	}
}

// exchange puts the odd certificate in place of the usual one, where it is
// embedded and where its hash is signed, and signs again.
func (s stamper) exchange(response []byte) []byte {
	all, _ := parseTLV(response, 0)
	data := signedData(all)
	usual, odd := sha256.Sum256(s.usual.Raw), sha256.Sum256(s.odd.Raw)
	for _, e := range every(all) {
		switch {
		case bytes.Equal(e.body, usual[:]):
			e.body = odd[:]
		case e.tag == 0x30 && bytes.Equal(e.encode(), s.usual.Raw):
			certificate, _ := parseTLV(s.odd.Raw, 0)
			*e = *certificate[0]
		}
	}
	info := data[len(data)-1].items[0].items
	attributes := *info[3]
	attributes.tag = 0x31 // RFC 5652 §5.4
	digest := sha256.Sum256(attributes.encode())
	*info[5] = tlv{tag: 0x04, body: must(s.key.Sign(nil, digest[:], crypto.SHA256))}
	return encodeTLV(all)
}

var (
	oidTimeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	oidCodeSigning  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	oidServerAuth   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidAnyUsage     = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
	oidSAN          = asn1.ObjectIdentifier{2, 5, 29, 17}
)

// usage returns an extended key usage extension.
func usage(critical bool, ids ...asn1.ObjectIdentifier) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: critical, Value: must(asn1.Marshal(ids))}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
