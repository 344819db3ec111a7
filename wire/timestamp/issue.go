package timestamp

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Issuer makes tokens. What is the same in all of them is encoded once. Its
// methods may be called by many goroutines at once if the key's may.
type Issuer struct {
	key       crypto.Signer
	algorithm sigalg.Algorithm
	hash      crypto.Hash // of the content, and of the attributes but for Ed25519

	certificates []byte // the [0] field
	signerID     []byte // issuerAndSerialNumber
	certificate  []byte // the SigningCertificateV2 attribute
	sigAlg       asn1.ObjectIdentifier
}

// NewIssuer makes an issuer of a key and its certificate chain, leaf first. The
// leaf must be one that VerifySignature accepts; tokens hold the chain without
// its root. The hash follows from the key.
func NewIssuer(key crypto.Signer, chain []*x509.Certificate) (*Issuer, error) {
	if len(chain) == 0 {
		return nil, errors.New("making timestamp issuer: no certificate")
	}
	leaf := chain[0]
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, errors.New("making timestamp issuer: certificate is of another key")
	}
	if err := checkUsage(leaf); err != nil {
		return nil, fmt.Errorf("making timestamp issuer: %w", err)
	}
	algorithm, err := sigalg.ForKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("making timestamp issuer: %w", err)
	}
	i := &Issuer{key: key, algorithm: algorithm, hash: algorithm.Hash}
	if i.hash == 0 {
		i.hash = crypto.SHA512 // RFC 8419 §3.1: Ed25519
	}
	i.sigAlg = signatureOID(key.Public(), i.hash)
	return i, i.encodeChain(chain)
}

// signatureOID is the signature algorithm of a key that sigalg knows.
func signatureOID(public crypto.PublicKey, hash crypto.Hash) asn1.ObjectIdentifier {
	for _, a := range signatureAlgorithms {
		if a.hash == hash && a.fits(public) {
			return a.oid
		}
	}
	return nil
}

func (i *Issuer) encodeChain(chain []*x509.Certificate) (err error) {
	var inside [][]byte
	for n, cert := range chain {
		if n == 0 || !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			inside = append(inside, cert.Raw)
		}
	}
	if i.certificates, err = setOf(tagCertificates, inside); err != nil {
		return err
	}
	leaf := chain[0]
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(leaf.RawIssuer)
		b.AddASN1BigInt(leaf.SerialNumber)
	})
	if i.signerID, err = b.Bytes(); err != nil {
		return err
	}
	i.certificate, err = attribute(oidSigningCertificateV2(), func(b *cryptobyte.Builder) { addSigningCertificate(b, leaf) })
	return err
}

// addSigningCertificate is what parseSigningCertificate reads, with the default
// hash.
func addSigningCertificate(b *cryptobyte.Builder, leaf *x509.Certificate) {
	sequence := func(inner func(*cryptobyte.Builder)) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, inner) }
	}
	digest := sha256.Sum256(leaf.Raw)
	issuer := sequence(func(b *cryptobyte.Builder) {
		b.AddASN1(tagDirectoryName, func(b *cryptobyte.Builder) { b.AddBytes(leaf.RawIssuer) })
	})
	certID := sequence(func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(digest[:])
		sequence(func(b *cryptobyte.Builder) {
			issuer(b)
			b.AddASN1BigInt(leaf.SerialNumber)
		})(b)
	})
	sequence(sequence(certID))(b)
}

// Statement is what an authority says besides what it was asked.
type Statement struct {
	Time     time.Time     // of which the whole seconds are written: some clients read no more
	Accuracy time.Duration // whole seconds; 0: not said
	Serial   *big.Int      // unique for the authority: "MUST be unique for each TimeStampToken"
	Policy   asn1.ObjectIdentifier
}

// Issue makes the token that answers r, as DER. The policy of r is not looked
// at: s.Policy is written.
func (i *Issuer) Issue(rand io.Reader, r Request, s Statement) ([]byte, error) {
	token, err := i.issue(rand, r, s)
	if err != nil {
		return nil, fmt.Errorf("issuing timestamp: %w", err)
	}
	return token, nil
}

func (i *Issuer) issue(rand io.Reader, r Request, s Statement) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	content, err := marshalInfo(r, s)
	if err != nil {
		return nil, err
	}
	attrs, err := i.attributes(content)
	if err != nil {
		return nil, err
	}
	signature, err := i.algorithm.Sign(rand, i.key, attrs)
	if err != nil {
		return nil, err
	}
	attrs[0] = byte(tagSignedAttrs)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData())
		b.AddASN1(tagContent, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { i.addSignedData(b, r, content, attrs, signature) })
		})
	})
	return b.Bytes()
}

// marshalInfo is the TSTInfo that Token.parseInfo reads.
func marshalInfo(r Request, s Statement) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1ObjectIdentifier(s.Policy)
		addImprint(b, r.Hash, r.Imprint)
		b.AddASN1BigInt(s.Serial)
		b.AddASN1GeneralizedTime(s.Time.UTC())
		if s.Accuracy > 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(s.Accuracy / time.Second)) })
		}
		if r.Nonce != nil {
			b.AddASN1BigInt(r.Nonce)
		}
	})
	return b.Bytes()
}

// attributes are the signed attributes of content, as they are signed.
func (i *Issuer) attributes(content []byte) ([]byte, error) {
	h := i.hash.New()
	h.Write(content)
	contentType, err := attribute(oidContentType(), func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidTSTInfo()) })
	if err != nil {
		return nil, err
	}
	digest, err := attribute(oidMessageDigest(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(h.Sum(nil)) })
	if err != nil {
		return nil, err
	}
	return setOf(cbasn1.SET, [][]byte{contentType, digest, i.certificate})
}

// addSignedData adds the fields that parseSignedData reads.
func (i *Issuer) addSignedData(b *cryptobyte.Builder, r Request, content, attrs, signature []byte) {
	b.AddASN1Int64(versionSignedData)
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addHash(b, i.hash) })
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidTSTInfo())
		b.AddASN1(tagContent, func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
	})
	if r.CertReq {
		b.AddBytes(i.certificates)
	}
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(versionByIssuer)
			b.AddBytes(i.signerID)
			addHash(b, i.hash)
			b.AddBytes(attrs)
			addAlgorithm(b, i.sigAlg)
			b.AddASN1OctetString(signature)
		})
	})
}

// attribute is Attribute { type, SET of one value }.
func attribute(oid asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(cbasn1.SET, value)
	})
	return b.Bytes()
}

// setOf is the DER of a SET OF: "the encodings of the component values … shall
// appear in ascending order" (X.690 §11.6).
func setOf(tag cbasn1.Tag, elements [][]byte) ([]byte, error) {
	slices.SortFunc(elements, bytes.Compare)
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, e := range elements {
			b.AddBytes(e)
		}
	})
	return b.Bytes()
}
