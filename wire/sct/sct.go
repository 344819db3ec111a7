// SPDX-License-Identifier: Apache-2.0

package sct

import (
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxList bounds the timestamps of one certificate. Web certificates have two
// or three, Sigstore certificates one.
const maxList = 16

// An SCT is a signed certificate timestamp, version 1 (RFC 6962 §3.2).
type SCT struct {
	LogID              [32]byte // SHA-256 of the log key's PKIX DER
	Timestamp          uint64   // milliseconds since 1970, UTC
	Extensions         []byte   // CtExtensions, without their length
	HashAlgorithm      byte     // TLS code point: 4 is SHA-256
	SignatureAlgorithm byte     // TLS code point: 1 is RSA, 3 is ECDSA
	Signature          []byte
}

// Parse parses one timestamp.
func Parse(raw []byte) (SCT, error) {
	var s SCT
	var version uint8
	var logID []byte
	var extensions, signature cryptobyte.String
	in := cryptobyte.String(raw)
	if !in.ReadUint8(&version) {
		return SCT{}, errors.New("parsing SCT: empty")
	}
	if version != 0 {
		return SCT{}, fmt.Errorf("parsing SCT: version %d, want 0 (v1)", version)
	}
	if !in.ReadBytes(&logID, len(s.LogID)) ||
		!in.ReadUint64(&s.Timestamp) ||
		!in.ReadUint16LengthPrefixed(&extensions) ||
		!in.ReadUint8(&s.HashAlgorithm) ||
		!in.ReadUint8(&s.SignatureAlgorithm) ||
		!in.ReadUint16LengthPrefixed(&signature) {
		return SCT{}, errors.New("parsing SCT: truncated")
	}
	if !in.Empty() {
		return SCT{}, errors.New("parsing SCT: trailing data")
	}
	s.LogID = [32]byte(logID)
	s.Extensions = extensions
	s.Signature = signature
	return s, nil
}

// Marshal returns the timestamp in the form that [Parse] reads.
func (s SCT) Marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(0)
	b.AddBytes(s.LogID[:])
	b.AddUint64(s.Timestamp)
	addUint16Bytes(&b, s.Extensions)
	b.AddUint8(s.HashAlgorithm)
	b.AddUint8(s.SignatureAlgorithm)
	addUint16Bytes(&b, s.Signature)
	raw, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("marshalling SCT: %w", err)
	}
	return raw, nil
}

// ParseList parses the value of the certificate extension [OIDList]: a DER
// OCTET STRING around a SignedCertificateTimestampList (RFC 6962 §3.3) of 1 to
// 16 timestamps.
func ParseList(ext []byte) ([]SCT, error) {
	in := cryptobyte.String(ext)
	var octets, list cryptobyte.String
	if !in.ReadASN1(&octets, cbasn1.OCTET_STRING) || !in.Empty() ||
		!octets.ReadUint16LengthPrefixed(&list) || !octets.Empty() {
		return nil, errors.New("parsing SCT list: not one list in an OCTET STRING")
	}
	var scts []SCT
	for !list.Empty() {
		if len(scts) == maxList {
			return nil, fmt.Errorf("parsing SCT list: more than %d", maxList)
		}
		var raw cryptobyte.String
		if !list.ReadUint16LengthPrefixed(&raw) {
			return nil, errors.New("parsing SCT list: truncated")
		}
		s, err := Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("parsing SCT list: %w", err)
		}
		scts = append(scts, s)
	}
	if len(scts) == 0 {
		return nil, errors.New("parsing SCT list: empty")
	}
	return scts, nil
}

// MarshalList returns the extension value that [ParseList] reads.
func MarshalList(scts []SCT) ([]byte, error) {
	if len(scts) == 0 || len(scts) > maxList {
		return nil, fmt.Errorf("marshalling SCT list: %d timestamps, want 1 to %d", len(scts), maxList)
	}
	var list cryptobyte.Builder
	list.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, s := range scts {
			raw, err := s.Marshal()
			if err != nil {
				b.SetError(err)
				return
			}
			addUint16Bytes(b, raw)
		}
	})
	raw, err := list.Bytes()
	if err != nil {
		return nil, fmt.Errorf("marshalling SCT list: %w", err)
	}
	return asn1.Marshal(raw)
}

func addUint16Bytes(b *cryptobyte.Builder, raw []byte) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(raw) })
}
