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

// MaxFile is the longest file that Parse reads, in bytes.
const MaxFile = 64 << 10

// Parse returns the one key in data. Its type and size are of the algorithm registry.
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
	if another, _ := pem.Decode(rest); another != nil && block.Type != "CERTIFICATE" { // its chain may follow
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

// refuseBlock says how to come from a block of PEM to a public key.
func refuseBlock(kind string) error {
	switch {
	case kind == "PGP PUBLIC KEY BLOCK":
		return errors.New("a PGP key, which signs in a form of its own: want a key of openssl, OpenSSH or cosign")
	case bytes.Contains([]byte(kind), []byte("COSIGN")), bytes.Contains([]byte(kind), []byte("SIGSTORE")):
		return errors.New("a private key of cosign: its public half is in cosign.pub, or 'cosign public-key --key FILE' writes it")
	case bytes.Contains([]byte(kind), []byte("OPENSSH PRIVATE")):
		return errors.New("a private key of OpenSSH: its public half is in FILE.pub, or 'ssh-keygen -y -f FILE' writes it")
	case bytes.Contains([]byte(kind), []byte("PRIVATE KEY")):
		return errors.New("a private key: 'openssl pkey -in FILE -pubout' writes its public half")
	case kind == "SSH2 PUBLIC KEY":
		return errors.New("a key in the form of RFC 4716: 'ssh-keygen -i -f FILE' writes it as a line, which is read")
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

// isPrivate reports whether der begins as private keys do, of every kind:
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

// parseCertificate takes the key alone: who has signed the certificate, and for how long,
// says nothing of a key that a user names.
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
		return nil, errors.New("a key that can't sign, or by no algorithm of Sigstore: want ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of 2048, 3072 or 4096 bits")
	}
	return key, nil
}

// compressed reads an SPKI with a compressed point, which crypto/x509 does not:
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
