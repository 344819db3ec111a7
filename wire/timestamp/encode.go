// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// explicit0 is the tag [0], constructed.
const explicit0 = cbasn1.Tag(0x80 | 0x20)

// marshalInfo encodes TSTInfo.
func marshalInfo(r Request, stamp Stamp) ([]byte, error) {
	if stamp.Serial == nil || stamp.Serial.BitLen() > maxInteger || r.Nonce != nil && r.Nonce.BitLen() > maxInteger {
		return nil, errors.New("serial number is missing, or an integer is too long")
	}
	var b cryptobyte.Builder
	var imprint error
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1ObjectIdentifier(stamp.Policy)
		imprint = addImprint(b, r.Hash, r.Imprint)
		b.AddASN1BigInt(stamp.Serial)
		b.AddASN1GeneralizedTime(stamp.Time.UTC())
		if r.Nonce != nil {
			b.AddASN1BigInt(r.Nonce)
		}
	})
	der, err := b.Bytes()
	return der, errors.Join(imprint, err)
}

// attributes encodes the signed attributes, as a SET in DER order.
func (s *Signer) attributes(info []byte) ([]byte, error) {
	var all [][]byte
	for _, attribute := range []struct {
		oid   asn1.ObjectIdentifier
		value func(*cryptobyte.Builder)
	}{
		{oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidTSTInfo) }},
		{oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest(s.digest, info)) }},
		{oidSigningCertificateV2, s.addSigningCertificate},
	} {
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(attribute.oid)
			b.AddASN1(cbasn1.SET, attribute.value)
		})
		der, err := b.Bytes()
		if err != nil {
			return nil, err
		}
		all = append(all, der)
	}
	slices.SortFunc(all, bytes.Compare)
	var set cryptobyte.Builder
	set.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(all, nil)) })
	return set.Bytes()
}

// addSigningCertificate adds a SigningCertificateV2 with one ESSCertIDv2, whose
// hash algorithm is the default.
func (s *Signer) addSigningCertificate(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1OctetString(s.certHash) })
		})
	})
}

// marshal encodes the response with the signed parts.
func (s *Signer) marshal(certificates bool, info, attributes, signature []byte) ([]byte, error) {
	digestAlgorithm, err := digestOID(s.digest)
	if err != nil {
		return nil, err
	}
	data := func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, digestAlgorithm) })
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidTSTInfo)
			b.AddASN1(explicit0, func(b *cryptobyte.Builder) { b.AddASN1OctetString(info) })
		})
		if certificates {
			b.AddASN1(explicit0, func(b *cryptobyte.Builder) { b.AddBytes(s.chain) })
		}
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { s.addSigner(b, digestAlgorithm, attributes, signature) })
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(statusGranted) })
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSignedData)
			b.AddASN1(explicit0, func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, data) })
		})
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("signing time-stamp: %w", err)
	}
	return der, nil
}

// addSigner adds a SignerInfo, identified by issuer and serial number.
func (s *Signer) addSigner(b *cryptobyte.Builder, digestAlgorithm asn1.ObjectIdentifier, attributes, signature []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(s.leaf.RawIssuer)
			b.AddASN1BigInt(s.leaf.SerialNumber)
		})
		addAlgorithm(b, digestAlgorithm)
		implicit := bytes.Clone(attributes)
		implicit[0] = byte(explicit0)
		b.AddBytes(implicit)
		addAlgorithm(b, s.algorithm)
		b.AddASN1OctetString(signature)
	})
}
