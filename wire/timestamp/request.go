// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// maxMessage bounds every message, in bytes. A token with a chain has a few
	// thousand.
	maxMessage = 1 << 20
	// maxInteger bounds nonces and serial numbers, in bits. RFC 3161 §2.4.2
	// requires that serial numbers of 160 bits are accepted; nonces usually have
	// 64.
	maxInteger = 256
)

// A Request is a TimeStampReq (RFC 3161 §2.4.1).
type Request struct {
	Hash    crypto.Hash           // SHA-256, SHA-384 or SHA-512
	Imprint []byte                // digest of the data to be time-stamped
	Nonce   *big.Int              // may be nil
	Policy  asn1.ObjectIdentifier // nil: the authority's default
	CertReq bool                  // whether the token must contain its signer's certificate
}

// A RequestError reports a request that cannot be granted. A server responds
// with [MarshalRejection] of its Fail.
type RequestError struct {
	Fail FailInfo
	Err  error
}

func (e *RequestError) Error() string { return "parsing time-stamp request: " + e.Err.Error() }

func (e *RequestError) Unwrap() error { return e.Err }

// refuse returns a RequestError for err, with badAlg for an unknown digest.
func refuse(err error) error {
	fail := BadDataFormat
	if errors.Is(err, errHash) {
		fail = BadAlg
	}
	return &RequestError{Fail: fail, Err: err}
}

// ParseRequest parses a DER request of at most 1 MiB. Errors are of type
// *[RequestError]. Extensions are refused, since none is known (RFC 3161
// §2.4.1).
func ParseRequest(der []byte) (Request, error) {
	if len(der) > maxMessage {
		return Request{}, refuse(errors.New("longer than 1 MiB"))
	}
	var body cryptobyte.String
	var version int
	in := cryptobyte.String(der)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) {
		return Request{}, refuse(errors.New("not a DER sequence with a version"))
	}
	if version != 1 {
		return Request{}, refuse(fmt.Errorf("version %d, want 1", version))
	}
	hash, imprint, err := readImprint(&body)
	if err != nil {
		return Request{}, refuse(err)
	}
	r := Request{Hash: hash, Imprint: imprint}
	if err := r.readOptional(&body); err != nil {
		return Request{}, err
	}
	return r, nil
}

// readOptional reads the fields after the imprint.
func (r *Request) readOptional(in *cryptobyte.String) error {
	if in.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER) && !readOID(in, &r.Policy) {
		return refuse(errors.New("policy is malformed"))
	}
	var err error
	if r.Nonce, err = readOptionalInteger(in); err != nil {
		return refuse(fmt.Errorf("nonce: %w", err))
	}
	if r.CertReq, err = readDefaultFalse(in); err != nil {
		return refuse(fmt.Errorf("certReq: %w", err))
	}
	if in.PeekASN1Tag(cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return &RequestError{Fail: UnacceptedExtension, Err: errors.New("extensions are not accepted")}
	}
	if !in.Empty() {
		return refuse(errors.New("trailing data"))
	}
	return nil
}

// Marshal returns the request in the DER that [ParseRequest] reads.
func (r Request) Marshal() ([]byte, error) {
	if r.Nonce != nil && r.Nonce.BitLen() > maxInteger {
		return nil, fmt.Errorf("marshalling time-stamp request: nonce is longer than %d bits", maxInteger)
	}
	var b cryptobyte.Builder
	var imprint error
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		imprint = addImprint(b, r.Hash, r.Imprint)
		if r.Policy != nil {
			b.AddASN1ObjectIdentifier(r.Policy)
		}
		if r.Nonce != nil {
			b.AddASN1BigInt(r.Nonce)
		}
		if r.CertReq {
			b.AddASN1Boolean(true)
		}
	})
	der, err := b.Bytes()
	if err := errors.Join(imprint, err); err != nil {
		return nil, fmt.Errorf("marshalling time-stamp request: %w", err)
	}
	return der, nil
}

// readOptionalInteger reads an INTEGER if one comes next, and returns nil
// otherwise.
func readOptionalInteger(in *cryptobyte.String) (*big.Int, error) {
	if !in.PeekASN1Tag(cbasn1.INTEGER) {
		return nil, nil
	}
	var element cryptobyte.String
	n := new(big.Int)
	if !in.ReadASN1Element(&element, cbasn1.INTEGER) || len(element) > maxInteger/8+3 ||
		!element.ReadASN1Integer(n) {
		return nil, errors.New("malformed or too long")
	}
	return n, nil
}

// readDefaultFalse reads a BOOLEAN DEFAULT FALSE. DER omits a default value.
func readDefaultFalse(in *cryptobyte.String) (bool, error) {
	if !in.PeekASN1Tag(cbasn1.BOOLEAN) {
		return false, nil
	}
	var value bool
	if !in.ReadASN1Boolean(&value) || !value {
		return false, errors.New("not the DER of TRUE")
	}
	return true, nil
}
