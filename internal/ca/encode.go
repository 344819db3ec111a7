// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// A profile is the common part of all certificates of an authority, encoded
// once.
type profile struct {
	key        crypto.Signer
	algorithm  sigalg.Algorithm
	signature  []byte // AlgorithmIdentifier
	issuer     []byte // Name
	extensions []byte // key usages and the authority's key identifier
}

// A window is a Validity (RFC 5280 §4.1.2.5), both ends included.
type window struct{ start, end time.Time }

// maxExtensions bounds the extensions of a certificate, in bytes: they contain
// each part of a token at most twice.
const maxExtensions = 2 * maxToken

// A draft is a TBSCertificate without its last extension, which is the poison
// or the SCT list.
type draft struct {
	fields     []byte // fields before the extensions
	extensions []byte
}

func newProfile(key crypto.Signer, issuing *x509.Certificate) (*profile, error) {
	algorithm, err := sigalg.ForKey(key.Public())
	if err != nil {
		return nil, err
	}
	signature, err := algorithmIdentifier(key.Public(), algorithm.Hash)
	if err != nil {
		return nil, err
	}
	p := &profile{key: key, algorithm: algorithm, signature: signature, issuer: issuing.RawSubject}
	var b cryptobyte.Builder
	// BIT STRING of bit 0, digitalSignature: "MUST NOT: specify other Key Usages"
	addExtension(&b, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte("\x03\x02\x07\x80")})
	// SEQUENCE of the one OID codeSigning, 1.3.6.1.5.5.7.3.3
	addExtension(&b, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: []byte("\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x03")})
	addExtension(&b, authorityKeyID(issuing.SubjectKeyId))
	p.extensions, err = b.Bytes()
	return p, err
}

// draft encodes a certificate for a key, valid in w.
func (p *profile) draft(pub crypto.PublicKey, w window, identity []pkix.Extension) (draft, error) {
	info, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return draft{}, fmt.Errorf("encoding key: %w", err)
	}
	keyID, err := subjectKeyID(info)
	if err != nil {
		return draft{}, err
	}
	fields, extensions := builder(512), builder(1024)
	fields.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1Int64(2) // v3
	})
	fields.AddASN1(cbasn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(newSerial()) })
	fields.AddBytes(p.signature)
	fields.AddBytes(p.issuer)
	fields.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addTime(b, w.start); addTime(b, w.end) })
	fields.AddASN1(cbasn1.SEQUENCE, func(*cryptobyte.Builder) {}) // "MUST: Specify an empty Subject"
	fields.AddBytes(info)
	extensions.AddBytes(p.extensions)
	addExtension(extensions, keyID)
	for _, e := range identity {
		addExtension(extensions, e)
	}
	var d draft
	if d.fields, err = fields.Bytes(); err == nil {
		d.extensions, err = extensions.Bytes()
	}
	if len(d.extensions) > maxExtensions {
		err = fmt.Errorf("%w: extensions of %d bytes", errIdentity, len(d.extensions))
	}
	return d, err
}

// sign signs the certificate of d with its last extension.
func (p *profile) sign(d draft, last pkix.Extension) ([]byte, error) {
	size := len(d.fields) + len(d.extensions) + len(last.Value) + 64
	tbs, b := builder(size), builder(size+512)
	tbs.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(d.fields)
		b.AddASN1(cbasn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(d.extensions)
				addExtension(b, last)
			})
		})
	})
	signed, err := tbs.Bytes()
	if err != nil {
		return nil, err
	}
	signature, err := p.algorithm.Sign(rand.Reader, p.key, signed)
	if err != nil {
		return nil, err
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(signed)
		b.AddBytes(p.signature)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// builder returns a builder with room for size bytes.
func builder(size int) *cryptobyte.Builder { return cryptobyte.NewBuilder(make([]byte, 0, size)) }

// newSerial returns a "unique, positive, 160 bit serial number": an INTEGER of
// 20 octets, the maximum of RFC 5280 §4.1.2.2, of which the first two bits are
// not random.
func newSerial() []byte {
	serial := make([]byte, 20)
	rand.Read(serial) // crypto/rand.Read never fails
	serial[0] = serial[0]&0x3f | 0x40
	return serial
}

// addTime adds a Time: "dates through the year 2049 as UTCTime; […] dates in
// 2050 or later MUST be encoded as GeneralizedTime" (RFC 5280 §4.1.2.5).
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t.Year() < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}

func addExtension(b *cryptobyte.Builder, e pkix.Extension) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(e.Id)
		if e.Critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1OctetString(e.Value)
	})
}

func poison() pkix.Extension {
	return pkix.Extension{Id: sct.OIDPoison(), Critical: true, Value: []byte{0x05, 0x00}}
}

func sctList(value []byte) pkix.Extension { return pkix.Extension{Id: sct.OIDList(), Value: value} }

// authorityKeyID returns AuthorityKeyIdentifier { keyIdentifier [0] }.
func authorityKeyID(id []byte) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(id) })
	})
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 35}, Value: b.BytesOrPanic()} // of bounded size
}

// subjectKeyID returns "the leftmost 160-bits of the SHA-256 hash of the value
// of the BIT STRING subjectPublicKey" (RFC 7093 §2).
func subjectKeyID(info []byte) (pkix.Extension, error) {
	in := cryptobyte.String(info)
	var body, algorithm cryptobyte.String
	var key asn1.BitString
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !body.ReadASN1BitString(&key) {
		return pkix.Extension{}, errors.New("identifying key: not a SubjectPublicKeyInfo")
	}
	sum := sha256.Sum256(key.Bytes)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 14}, Value: append([]byte{0x04, 20}, sum[:20]...)}, nil
}

// algorithmIdentifier returns the identifier of the authority's signatures: RFC
// 5758 §3.2, RFC 4055 §5 with parameters NULL, RFC 8410 §3.
func algorithmIdentifier(pub crypto.PublicKey, hash crypto.Hash) ([]byte, error) {
	var oid asn1.ObjectIdentifier
	_, isRSA := pub.(*rsa.PublicKey)
	switch pub.(type) {
	case *ecdsa.PublicKey:
		arcs := map[crypto.Hash]int{crypto.SHA256: 2, crypto.SHA384: 3, crypto.SHA512: 4}
		oid = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, arcs[hash]}
	case *rsa.PublicKey:
		arcs := map[crypto.Hash]int{crypto.SHA256: 11, crypto.SHA384: 12, crypto.SHA512: 13}
		oid = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, arcs[hash]}
	case ed25519.PublicKey:
		oid = asn1.ObjectIdentifier{1, 3, 101, 112}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if isRSA {
			b.AddASN1NULL()
		}
	})
	return b.Bytes()
}
