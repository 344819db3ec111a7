package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// tbsCertificate is TBSCertificate (RFC 5280 §4.1), for writing what
// x509.CreateCertificate doesn't.
type tbsCertificate struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   asn1.RawValue
	Subject    asn1.RawValue
	Key        asn1.RawValue
	Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
}

type signedCertificate struct {
	TBS       asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

func ecdsaWith(hash crypto.Hash) pkix.AlgorithmIdentifier {
	oid := map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA1: {1, 2, 840, 10045, 4, 1}, crypto.SHA256: {1, 2, 840, 10045, 4, 3, 2},
		crypto.SHA384: {1, 2, 840, 10045, 4, 3, 3}, crypto.SHA512: {1, 2, 840, 10045, 4, 3, 4},
	}[hash]
	return pkix.AlgorithmIdentifier{Algorithm: oid}
}

// resign changes a certificate and signs it anew.
func resign(t *testing.T, der []byte, key crypto.Signer, hash crypto.Hash, change func(*tbsCertificate, *signedCertificate)) []byte {
	t.Helper()
	var cert signedCertificate
	var tbs tbsCertificate
	if _, err := asn1.Unmarshal(der, &cert); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(cert.TBS.FullBytes, &tbs); err != nil {
		t.Fatal(err)
	}
	tbs.Algorithm, cert.Algorithm = ecdsaWith(hash), ecdsaWith(hash)
	change(&tbs, &cert)
	raw, err := asn1.Marshal(tbs)
	if err != nil {
		t.Fatal(err)
	}
	h := hash.New()
	h.Write(raw)
	sig, err := key.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		t.Fatal(err)
	}
	cert.TBS, cert.Signature = asn1.RawValue{FullBytes: raw}, asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	out, err := asn1.Marshal(cert)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func extension(critical bool, value []byte, oid ...int) []pkix.Extension {
	return []pkix.Extension{{Id: oid, Critical: critical, Value: value}}
}

// chainOf is a root, an intermediate and what it needs to issue leaves.
type chainOf struct {
	root, middle *x509.Certificate
	key          crypto.Signer // the intermediate's
}

// middles are intermediates, ordinary and odd ones.
func middles(t *testing.T) map[string]chainOf {
	t.Helper()
	explicit, policy := []byte{0x30, 3, 0x80, 1, 0}, []byte{0x30, 6, 0x30, 4, 6, 2, 0x2a, 3}
	all := map[string]chainOf{}
	for name, odd := range map[string]func(root, middle *x509.Certificate){
		"ordinary":            func(_, _ *x509.Certificate) {},
		"nothing more below":  func(root, _ *x509.Certificate) { root.MaxPathLen, root.MaxPathLenZero = 0, true },
		"one more below":      func(_, middle *x509.Certificate) { middle.MaxPathLen, middle.MaxPathLenZero = 0, true },
		"names permitted":     func(_, middle *x509.Certificate) { middle.PermittedEmailAddresses = []string{"example.com"} },
		"names excluded":      func(root, _ *x509.Certificate) { root.ExcludedEmailAddresses = []string{"example.com"} },
		"may not sign":        func(_, middle *x509.Certificate) { middle.KeyUsage = x509.KeyUsageDigitalSignature },
		"says nothing of use": func(_, middle *x509.Certificate) { middle.KeyUsage = 0 },
		"no authority":        func(_, middle *x509.Certificate) { middle.IsCA, middle.BasicConstraintsValid = false, false },
		"a policy":            func(_, middle *x509.Certificate) { middle.ExtraExtensions = extension(false, policy, 2, 5, 29, 32) },
		"explicit policies":   func(_, middle *x509.Certificate) { middle.ExtraExtensions = extension(true, explicit, 2, 5, 29, 36) },
		"root's policies":     func(root, _ *x509.Certificate) { root.ExtraExtensions = extension(true, explicit, 2, 5, 29, 36) },
		"something critical":  func(_, middle *x509.Certificate) { middle.ExtraExtensions = extension(true, nil, 1, 2, 3) },
		"root critical":       func(root, _ *x509.Certificate) { root.ExtraExtensions = extension(true, nil, 1, 2, 3) },
		"any use":             func(_, middle *x509.Certificate) { middle.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} },
		"servers":             func(_, middle *x509.Certificate) { middle.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		"no name":             func(_, middle *x509.Certificate) { middle.Subject = pkix.Name{} },
		"starts late":         func(_, middle *x509.Certificate) { middle.NotBefore = start.AddDate(0, 0, 3) },
	} {
		root, middle := caCertificate("root"), caCertificate("intermediate")
		odd(root, middle)
		above := newPair(t, root, nil)
		below := newPair(t, middle, &above)
		all[name] = chainOf{above.cert, below.cert, below.key}
	}
	ordinary := all["ordinary"]
	v1 := resign(t, ordinary.root.Raw, ordinary.key, crypto.SHA256, func(tbs *tbsCertificate, _ *signedCertificate) { tbs.Version, tbs.Extensions = 0, nil })
	all["version 1"] = chainOf{parse(t, v1), ordinary.middle, ordinary.key}
	return all
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (c chainOf) authority(t *testing.T) *authority {
	t.Helper()
	a, err := newAuthority(&trust.Authority{Chain: []*x509.Certificate{c.middle, c.root}}, x509.ExtKeyUsageCodeSigning, new(sigalg.Preparer))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// leaf has the intermediate issue a certificate.
func (c chainOf) leaf(t *testing.T, change func(*x509.Certificate)) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: start, NotAfter: start.AddDate(0, 0, 9), EmailAddresses: []string{"a@example.com"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	if change != nil {
		change(template)
	}
	public := crypto.PublicKey(c.key.Public())
	if !template.IsCA {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public = key.Public()
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.middle, public, c.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// templates are leaves that x509.CreateCertificate makes.
func templates() map[string]func(*x509.Certificate) {
	usage := func(all ...x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(l *x509.Certificate) { l.ExtKeyUsage = all }
	}
	with := func(ext []pkix.Extension) func(*x509.Certificate) {
		return func(l *x509.Certificate) { l.ExtraExtensions = ext }
	}
	return map[string]func(*x509.Certificate){
		"ordinary":      nil,
		"no usage":      usage(),
		"another usage": usage(x509.ExtKeyUsageServerAuth),
		"any usage":     usage(x509.ExtKeyUsageAny),
		"two usages":    usage(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageCodeSigning),
		"unknown usage": func(l *x509.Certificate) {
			l.ExtKeyUsage, l.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3}}
		},
		"late":              func(l *x509.Certificate) { l.NotBefore = start.AddDate(0, 0, 5) },
		"early":             func(l *x509.Certificate) { l.NotAfter = start.AddDate(0, 0, 2) },
		"never":             func(l *x509.Certificate) { l.NotBefore, l.NotAfter = l.NotAfter, l.NotBefore },
		"critical":          with(extension(true, nil, 1, 2, 3)),
		"not critical":      with(extension(false, nil, 1, 2, 3)),
		"a policy":          with(extension(false, []byte{0x30, 6, 0x30, 4, 6, 2, 0x2a, 3}, 2, 5, 29, 32)),
		"explicit policies": with(extension(true, []byte{0x30, 3, 0x80, 1, 0}, 2, 5, 29, 36)),
		"names": func(l *x509.Certificate) {
			l.IsCA, l.BasicConstraintsValid, l.PermittedEmailAddresses = true, true, []string{"example.org"}
		},
		"an authority": func(l *x509.Certificate) { l.IsCA, l.BasicConstraintsValid = true, true },
		"the intermediate": func(l *x509.Certificate) {
			l.IsCA, l.BasicConstraintsValid, l.Subject = true, true, pkix.Name{CommonName: "intermediate"}
			l.EmailAddresses = nil
		},
		"another address": func(l *x509.Certificate) { l.EmailAddresses = []string{"a@example.org"} },
		"another key ID":  func(l *x509.Certificate) { l.AuthorityKeyId = []byte("none") },
		"SHA-512":         func(l *x509.Certificate) { l.SignatureAlgorithm = x509.ECDSAWithSHA512 },
	}
}

// Whatever is odd about intermediate or leaf, the short way answers as
// crypto/x509 does, with a key that is prepared and has its table or not.
func TestLinksAnswerOddLeaves(t *testing.T) {
	short := 0
	for which, c := range middles(t) {
		a := c.authority(t)
		for name, change := range templates() {
			t.Run(which+"/"+name, func(t *testing.T) {
				leaf := parse(t, c.leaf(t, change))
				samePaths(t, a, leaf)
				if slices.ContainsFunc(a.links, func(l link) bool { return l.path(leaf, a.usage, start.AddDate(0, 0, 5)) != nil }) {
					short++
				}
			})
		}
	}
	if short < 40 {
		t.Errorf("%d answers came the short way: nothing is compared", short)
	}
}

// What no template says: other versions, names, algorithms and signatures.
func TestLinksAnswerRewrittenLeaves(t *testing.T) {
	c := middles(t)["ordinary"]
	other := newPair(t, caCertificate("intermediate"), nil)
	a := c.authority(t)
	name := func(tag byte, text string) asn1.RawValue {
		value := append([]byte{tag, byte(len(text))}, text...)
		return asn1.RawValue{FullBytes: wrap(0x30, wrap(0x31, wrap(0x30, append([]byte{6, 3, 0x55, 4, 3}, value...))))}
	}
	none := func(*tbsCertificate, *signedCertificate) {}
	for what, der := range map[string][]byte{
		"as it was":   resign(t, c.leaf(t, nil), c.key, crypto.SHA256, none),
		"SHA-1":       resign(t, c.leaf(t, nil), c.key, crypto.SHA1, none),
		"SHA-384":     resign(t, c.leaf(t, nil), c.key, crypto.SHA384, none),
		"SHA-512":     resign(t, c.leaf(t, nil), c.key, crypto.SHA512, none),
		"another key": resign(t, c.leaf(t, nil), other.key, crypto.SHA256, none),
		"another algorithm": resign(t, c.leaf(t, nil), c.key, crypto.SHA256, func(tbs *tbsCertificate, s *signedCertificate) {
			tbs.Algorithm, s.Algorithm = ecdsaWith(crypto.SHA384), ecdsaWith(crypto.SHA384)
		}),
		"version 1":          resign(t, c.leaf(t, nil), c.key, crypto.SHA256, func(tbs *tbsCertificate, _ *signedCertificate) { tbs.Version, tbs.Extensions = 0, nil }),
		"issuer as UTF-8":    resign(t, c.leaf(t, nil), c.key, crypto.SHA256, func(tbs *tbsCertificate, _ *signedCertificate) { tbs.Issuer = name(12, "intermediate") }),
		"issuer as it is":    resign(t, c.leaf(t, nil), c.key, crypto.SHA256, func(tbs *tbsCertificate, _ *signedCertificate) { tbs.Issuer = name(19, "intermediate") }),
		"issuer in capitals": resign(t, c.leaf(t, nil), c.key, crypto.SHA256, func(tbs *tbsCertificate, _ *signedCertificate) { tbs.Issuer = name(19, "Intermediate") }),
		"issued by the root": resign(t, c.leaf(t, nil), c.key, crypto.SHA256, func(tbs *tbsCertificate, _ *signedCertificate) { tbs.Issuer = name(19, "root") }),
	} {
		t.Run(what, func(t *testing.T) { samePaths(t, a, parse(t, der)) })
	}
	mixed := resign(t, c.leaf(t, nil), c.key, crypto.SHA256, func(tbs *tbsCertificate, _ *signedCertificate) { tbs.Algorithm = ecdsaWith(crypto.SHA384) })
	if _, err := x509.ParseCertificate(mixed); err == nil {
		t.Error("crypto/x509 has read a certificate of two algorithms")
	}
}

func wrap(tag byte, content []byte) []byte {
	return append([]byte{tag, byte(len(content))}, content...)
}

// Every byte of a leaf, flipped, gives the same answer, if it can be read.
func TestLinksAnswerFlippedLeaves(t *testing.T) {
	c := middles(t)["ordinary"]
	a, der := c.authority(t), c.leaf(t, nil)
	for i := range der {
		flipped := slices.Clone(der)
		flipped[i] ^= 1
		leaf, err := x509.ParseCertificate(flipped)
		if err != nil {
			continue
		}
		at := start.AddDate(0, 0, 1)
		_, want := verifyPath(leaf, a.roots, a.intermediates, a.usage, at)
		if _, got := a.path(leaf, nil, at); (got == nil) != (want == nil) || got == nil {
			t.Errorf("byte %d: %v, crypto/x509: %v", i, got, want)
		}
	}
}

// Authorities with keys of every kind, also where the root issues by itself.
func TestLinksOfEveryKey(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{p384, p521, ed, rsaKey} {
		root := caCertificate("root")
		der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		alone := chainOf{parse(t, der), parse(t, der), key}
		a := alone.authority(t)
		leaf := parse(t, alone.leaf(t, nil))
		samePaths(t, a, leaf)
		samePaths(t, a, alone.root)
		if a.links[1].path(leaf, a.usage, start) == nil {
			t.Errorf("%T: not the short way", key)
		}
		samePaths(t, a, leaf)
	}
}
