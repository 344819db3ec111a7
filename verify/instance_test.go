// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/rekorlog"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
	"github.com/hallmark-sign/hallmark/wire/tile"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// signedAt is the time of the test signatures; certificates last ten minutes.
var signedAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// fixedKey derives a P-256 key from a label, so that every process of a fuzz
// run has the same instance.
func fixedKey(t testing.TB, label string) *ecdsa.PrivateKey {
	sum := sha256.Sum256([]byte(label))
	return testkit.Must(ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:]))(t)
}

// A certified is a certificate and its key.
type certified struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// issue signs template with the issuer's key. Without an issuer, it is self-signed.
func issue(t testing.TB, template *x509.Certificate, key crypto.Signer, issuer *certified) certified {
	t.Helper()
	if issuer == nil {
		issuer = &certified{template, key}
	}
	der := testkit.Must(x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key))(t)
	return certified{testkit.Must(x509.ParseCertificate(der))(t), key}
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{name}, CommonName: name},
		NotBefore: signedAt.AddDate(-1, 0, 0), NotAfter: signedAt.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, MaxPathLen: -1,
	}
}

// A logServer is a transparency log with an accessible key, for entries that an honest log
// would not accept.
type logServer struct {
	*rekorlog.Log
	origin string
	key    *ecdsa.PrivateKey
	id     []byte
}

// A stamper is a timestamp authority.
type stamper struct {
	signer *timestamp.Signer
	chain  []*x509.Certificate
}

// An instance is a small Sigstore instance: a certificate authority, a CT log, two
// transparency logs and two timestamp authorities.
type instance struct {
	name         string
	ca           certified // root
	intermediate certified
	ct           *ecdsa.PrivateKey
	logs         []*logServer
	tsas         []*stamper
	root         *trust.Root
}

func newInstance(t testing.TB, name string) *instance {
	t.Helper()
	in := &instance{name: name, ct: fixedKey(t, name+" ct"), root: new(trust.Root)}
	in.ca = issue(t, caTemplate(name+" root"), fixedKey(t, name+" root"), nil)
	in.intermediate = issue(t, caTemplate(name+" intermediate"), fixedKey(t, name+" intermediate"), &in.ca)
	window := trust.Validity{Start: signedAt.AddDate(0, -1, 0)}
	in.root.CertificateAuthorities = []trust.Authority{{
		URI: "https://ca." + name, Chain: []*x509.Certificate{in.intermediate.cert, in.ca.cert}, Validity: window,
	}}
	alg := testkit.Must(sigalg.ByName(sigalg.ECDSAP256SHA256))(t)
	ctID := testkit.Must(checkpoint.LegacyLogID(in.ct.Public()))(t)
	in.root.CTLogs = []trust.Log{{BaseURL: "https://ct." + name, ID: ctID[:], Key: in.ct.Public(), Algorithm: alg, Validity: window}}
	for _, host := range []string{"log1." + name, "log2." + name} {
		l := newLogServer(t, host)
		in.logs = append(in.logs, l)
		in.root.Logs = append(in.root.Logs, trust.Log{
			BaseURL: "https://" + host, ID: l.id, Key: l.key.Public(), Algorithm: alg, Validity: window,
		})
		tsa := newStamper(t, "tsa-"+host)
		in.tsas = append(in.tsas, tsa)
		in.root.TimestampAuthorities = append(in.root.TimestampAuthorities, trust.Authority{
			URI: "https://tsa-" + host, Chain: tsa.chain, Validity: window,
		})
	}
	return in
}

func newLogServer(t testing.TB, host string) *logServer {
	t.Helper()
	key := fixedKey(t, host)
	l := testkit.Must(rekorlog.New(rekorlog.Options{
		Dir: t.TempDir(), Origin: host, Key: key, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}))(t)
	t.Cleanup(func() { l.Close(context.Background()) })
	return &logServer{l, host, key, testkit.Must(checkpoint.LogID(host, key.Public()))(t)}
}

func newStamper(t testing.TB, name string) *stamper {
	t.Helper()
	root := issue(t, caTemplate(name+" root"), fixedKey(t, name+" root"), nil)
	usage := testkit.Must(asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}))(t)
	leaf := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: signedAt.AddDate(-1, 0, 0), NotAfter: signedAt.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, fixedKey(t, name), &root)
	chain := []*x509.Certificate{leaf.cert, root.cert}
	return &stamper{testkit.Must(timestamp.NewSigner(leaf.key, chain))(t), chain}
}

// stamp returns a token over the signature.
func (s *stamper) stamp(t testing.TB, signature []byte, at time.Time, embed bool) []byte {
	t.Helper()
	sum := sha256.Sum256(signature)
	return testkit.Must(s.signer.Sign(
		timestamp.Request{Hash: crypto.SHA256, Imprint: sum[:], CertReq: embed},
		timestamp.Stamp{Time: at, Serial: big.NewInt(7), Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}},
	))(t)
}

// alone returns an entry with this body that is the only one of a tree.
func (l *logServer) alone(t testing.TB, kind, version string, body []byte) rekor.Entry {
	t.Helper()
	return l.aloneAs(t, l.origin, l.origin, kind, version, body)
}

// aloneAs returns such an entry with another origin and another name on the signature line.
func (l *logServer) aloneAs(t testing.TB, origin, name, kind, version string, body []byte) rekor.Entry {
	t.Helper()
	head := checkpoint.Checkpoint{Origin: origin, Size: 1, Root: tile.LeafHash(body)}
	envelope := testkit.Must(checkpoint.Sign(head, testkit.Must(checkpoint.NewSigner(name, l.key))(t)))(t)
	return rekor.Entry{
		LogID: l.id, Kind: kind, Version: version, CanonicalizedBody: body,
		Proof: &rekor.Proof{InclusionProof: tile.InclusionProof{Size: 1}, Root: head.Root, Checkpoint: envelope},
	}
}

// An order specifies a signature to make. Comments give the meaning of zero fields.
type order struct {
	key     crypto.Signer // P-256
	keyed   bool          // no certificate
	who     identity.Identity
	ca      *certified // the instance's intermediate
	noSCT   bool
	payload []byte // of an envelope; else the artifact itself is signed
	at      time.Time
	logs    []*logServer // the instance's first; empty and not nil: none
	tsas    []*stamper   // the instance's first; empty and not nil: none
}

var alice = identity.Identity{
	Issuer: "https://login.example.com", Subject: identity.Subject{Type: identity.Email, Value: "alice@example.com"},
}

var trustAlice = verify.Requirements{Identities: []identity.Matcher{identity.NewMatcher(alice.Subject.Value, alice.Issuer)}}

func (in *instance) complete(t testing.TB, o order) order {
	if o.key == nil {
		o.key = fixedKey(t, "signer")
	}
	if o.who == (identity.Identity{}) {
		o.who = alice
	}
	if o.ca == nil {
		o.ca = &in.intermediate
	}
	if o.at.IsZero() {
		o.at = signedAt
	}
	if o.logs == nil {
		o.logs = in.logs[:1]
	}
	if o.tsas == nil {
		o.tsas = in.tsas[:1]
	}
	return o
}

// sign returns a bundle like a client's.
func (in *instance) sign(t testing.TB, artifact []byte, o order) *bundle.Bundle {
	t.Helper()
	o = in.complete(t, o)
	alg := algorithmFor(t, o.key)
	b := &bundle.Bundle{Version: bundle.V03, KeyHint: "hint"}
	verifier := rekor.Verifier{KeyDetails: alg.Name}
	if o.keyed {
		verifier.PublicKey = testkit.Must(x509.MarshalPKIXPublicKey(o.key.Public()))(t)
	} else {
		verifier.Certificate = in.certify(t, o).Raw
		b.Certificates, b.KeyHint = [][]byte{verifier.Certificate}, ""
	}
	message := artifact
	if o.payload != nil {
		message = dsse.PAE(dsse.PayloadTypeInToto, o.payload)
	}
	digest := testkit.Must(alg.Digest(message))(t)
	signature := testkit.Must(alg.SignDigest(rand.Reader, o.key, digest))(t)
	if o.payload != nil {
		b.Envelope = &dsse.Envelope{PayloadType: dsse.PayloadTypeInToto, Payload: o.payload, Signatures: []dsse.Signature{{Sig: signature}}}
	} else {
		b.Message = &bundle.MessageSignature{Hash: alg.Hash, Digest: digest, Signature: signature}
	}
	for _, tsa := range o.tsas {
		b.Timestamps = append(b.Timestamps, tsa.stamp(t, signature, o.at, false))
	}
	for _, l := range o.logs {
		h := rekor.HashedRekord{Digest: digest, Signature: signature, Verifier: verifier}
		b.Entries = append(b.Entries, testkit.Must(l.Add(t.Context(), h))(t))
	}
	return b
}

func algorithmFor(t testing.TB, key crypto.Signer) sigalg.Algorithm {
	alg := testkit.Must(sigalg.ForKey(key.Public()))(t)
	if alg.Name == sigalg.Ed25519 {
		return testkit.Must(sigalg.ByName(sigalg.Ed25519ph))(t)
	}
	return alg
}

// certify issues a certificate with an SCT of the CT log.
func (in *instance) certify(t testing.TB, o order) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), NotBefore: signedAt.Add(-time.Minute), NotAfter: signedAt.Add(9 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: testkit.Must(o.who.Extensions())(t),
	}
	plain := issue(t, template, o.key, o.ca).cert
	if o.noSCT {
		return plain
	}
	entry := testkit.Must(sct.NewPrecert(plain, o.ca.cert))(t)
	promise := testkit.Must(sct.Sign(in.ct, entry, uint64(signedAt.UnixMilli()), nil))(t)
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{
		Id: sct.OIDList(), Value: testkit.Must(sct.MarshalList([]sct.SCT{promise}))(t),
	})
	return issue(t, template, o.key, o.ca).cert
}

func (in *instance) verifier(t testing.TB) *verify.Verifier {
	t.Helper()
	return testkit.Must(verify.New(in.root))(t)
}
