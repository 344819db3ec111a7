// SPDX-License-Identifier: Apache-2.0

package publickey

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// MaxFile is the size of the largest file that [Parse] accepts, in bytes.
const MaxFile = 64 << 10

// Parse parses the only key in data. Its type and size must be in the algorithm
// registry.
func Parse(data []byte) (crypto.PublicKey, error) {
	key, err := parse(data)
	if err == nil {
		_, err = sigalg.ForKey(key)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing public key: %w", err)
	}
	return key, nil
}

func parse(data []byte) (crypto.PublicKey, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("more than %d bytes", MaxFile)
	}
	if text := bytes.TrimSpace(data); isOpenSSH(text) {
		return parseOpenSSH(text)
	}
	block, rest := pem.Decode(data)
	if block == nil {
		return parseDER(data)
	}
	if another, _ := pem.Decode(rest); another != nil && block.Type != "CERTIFICATE" { // the certificate's chain may follow
		return nil, errors.New("more than one block of PEM")
	}
	switch block.Type {
	case "PUBLIC KEY":
		return parseSPKI(block.Bytes)
	case "RSA PUBLIC KEY":
		return parsePKCS1(block.Bytes)
	case "CERTIFICATE":
		return parseCertificate(block.Bytes)
	}
	return nil, refuseBlock(block.Type)
}

// refuseBlock returns an error that tells how to get from a PEM block of this
// type to a supported public key.
func refuseBlock(kind string) error {
	switch {
	case kind == "PGP PUBLIC KEY BLOCK":
		return errors.New("PGP keys are not supported: want a key of openssl, OpenSSH or cosign")
	case bytes.Contains([]byte(kind), []byte("COSIGN")), bytes.Contains([]byte(kind), []byte("SIGSTORE")):
		return errors.New("this is a private key of cosign: use cosign.pub, or run 'cosign public-key --key FILE'")
	case bytes.Contains([]byte(kind), []byte("OPENSSH PRIVATE")):
		return errors.New("this is a private key of OpenSSH: use FILE.pub, or run 'ssh-keygen -y -f FILE'")
	case bytes.Contains([]byte(kind), []byte("PRIVATE KEY")):
		return errors.New("this is a private key: run 'openssl pkey -in FILE -pubout' for its public half")
	case kind == "SSH2 PUBLIC KEY":
		return errors.New("RFC 4716 keys are not supported: convert it with 'ssh-keygen -i -f FILE'")
	}
	return fmt.Errorf("PEM of type %.64q, want PUBLIC KEY", kind)
}

func parseDER(der []byte) (crypto.PublicKey, error) {
	if bytes.HasPrefix(der, []byte("---- BEGIN SSH2")) {
		return nil, refuseBlock("SSH2 PUBLIC KEY")
	}
	for _, form := range []func([]byte) (crypto.PublicKey, error){parseSPKI, parseCertificate, parsePKCS1} {
		if key, err := form(der); err == nil {
			return key, nil
		}
	}
	if isPrivate(der) {
		return nil, refuseBlock("PRIVATE KEY")
	}
	return nil, errors.New("neither PEM nor DER of a public key or certificate")
}

// isPrivate reports whether der starts like a private key of any type:
//
//	SEQUENCE { INTEGER 0 or 1, …
func isPrivate(der []byte) bool {
	input := cryptobyte.String(der)
	var inner cryptobyte.String
	var version int
	return input.ReadASN1(&inner, asn1.SEQUENCE) && inner.ReadASN1Integer(&version) && version <= 1
}

func parsePKCS1(der []byte) (crypto.PublicKey, error) {
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, err // not a typed nil
	}
	return key, nil
}

// parseCertificate returns the key of a certificate. Its issuer and validity
// are ignored, since the user has chosen the key.
func parseCertificate(der []byte) (crypto.PublicKey, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return cert.PublicKey, nil
}

func parseSPKI(der []byte) (crypto.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		if point, ok := compressed(der); ok {
			return point, nil
		}
		return nil, err
	}
	switch key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
		return key, nil
	}
	if _, err := sigalg.ForKey(key); err != nil {
		return nil, errors.New("the key can't sign or its algorithm is not supported: want ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of 2048, 3072 or 4096 bits")
	}
	return key, nil
}

// compressed parses an SPKI with a compressed point, which crypto/x509 does not
// support:
//
//	SEQUENCE { SEQUENCE { OID id-ecPublicKey, OID curve }, BIT STRING 02|03 X }
func compressed(der []byte) (*ecdsa.PublicKey, bool) {
	input := cryptobyte.String(der)
	var outer, algorithm cryptobyte.String
	var kind, named stdasn1.ObjectIdentifier
	var bits []byte
	if !input.ReadASN1(&outer, asn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1(&algorithm, asn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&kind) || !algorithm.ReadASN1ObjectIdentifier(&named) || !algorithm.Empty() ||
		!outer.ReadASN1BitStringAsBytes(&bits) || !outer.Empty() || !kind.Equal(stdasn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}) {
		return nil, false
	}
	for _, c := range []struct {
		oid   stdasn1.ObjectIdentifier
		curve elliptic.Curve
	}{
		{stdasn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, elliptic.P256()},
		{stdasn1.ObjectIdentifier{1, 3, 132, 0, 34}, elliptic.P384()},
		{stdasn1.ObjectIdentifier{1, 3, 132, 0, 35}, elliptic.P521()},
	} {
		if !named.Equal(c.oid) {
			continue
		}
		x, y := elliptic.UnmarshalCompressed(c.curve, bits)
		if x == nil {
			return nil, false
		}
		size := (c.curve.Params().BitSize + 7) / 8
		point := append([]byte{4}, x.FillBytes(make([]byte, size))...)
		key, err := ecdsa.ParseUncompressedPublicKey(c.curve, append(point, y.FillBytes(make([]byte, size))...))
		return key, err == nil
	}
	return nil, false
}
