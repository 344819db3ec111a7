// SPDX-License-Identifier: Apache-2.0

package fulcio

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// MaxRequest bounds a request, in bytes: several times a token of 16 KiB and an
// RSA-4096 signing request.
const MaxRequest = 64 << 10

// ErrRequest is matched by every error about a malformed request. A server
// responds with 400.
var ErrRequest = errors.New("not a signing certificate request")

// A Request asks for a certificate over a key. It has either PublicKey and
// ProofOfPossession, or CSR; then PublicKey is the key inside the CSR, whose
// signature proves possession.
//
//	{"credentials":{"oidcIdentityToken":"eyJ…"},
//	 "publicKeyRequest":{
//	  "publicKey":{"algorithm":"ECDSA","content":"-----BEGIN PUBLIC KEY-----…"},
//	  "proofOfPossession":"MEUC…"}}
type Request struct {
	Token             string // ID token; empty if it is sent as Authorization: Bearer
	PublicKey         crypto.PublicKey
	ProofOfPossession ProofOfPossession
	CSR               *x509.CertificateRequest // may be nil; its signature has been verified
}

type credentials struct {
	OIDCIdentityToken string `json:"oidcIdentityToken"`
}

// A publicKey is the key of a v2 request, in PEM. Algorithm is ignored: the key
// states its own.
type publicKey struct {
	Algorithm string `json:"algorithm,omitzero"`
	Content   string `json:"content"`
}

type publicKeyRequest struct {
	PublicKey         publicKey `json:"publicKey"`
	ProofOfPossession []byte    `json:"proofOfPossession"`
}

type requestV2 struct {
	Credentials      *credentials      `json:"credentials,omitzero"`
	PublicKeyRequest *publicKeyRequest `json:"publicKeyRequest,omitzero"`
	CSR              []byte            `json:"certificateSigningRequest,omitzero"`
}

// A requestV1 carries the key as base64 of PEM or DER.
type requestV1 struct {
	PublicKey *struct {
		Algorithm string `json:"algorithm"`
		Content   []byte `json:"content"`
	} `json:"publicKey"`
	SignedEmailAddress []byte `json:"signedEmailAddress"`
	CSR                []byte `json:"certificateSigningRequest"`
}

// ParseRequest parses the body of POST /api/v2/signingCert. It does not verify
// the proof of possession, because the challenge is in the token. Errors match
// [ErrRequest].
func ParseRequest(body []byte) (Request, error) {
	var m requestV2
	if err := unmarshal(body, &m); err != nil {
		return Request{}, err
	}
	var r Request
	if m.Credentials != nil {
		r.Token = m.Credentials.OIDCIdentityToken
	}
	var key []byte
	if m.PublicKeyRequest != nil {
		key = []byte(m.PublicKeyRequest.PublicKey.Content)
		r.ProofOfPossession = m.PublicKeyRequest.ProofOfPossession
	}
	return r.finish(key, m.PublicKeyRequest != nil, m.CSR)
}

// ParseRequestV1 parses the body of POST /api/v1/signingCert. The token of such
// a request is sent as Authorization: Bearer. Errors match [ErrRequest].
func ParseRequestV1(body []byte) (Request, error) {
	var m requestV1
	if err := unmarshal(body, &m); err != nil {
		return Request{}, err
	}
	r := Request{ProofOfPossession: m.SignedEmailAddress}
	var key []byte
	if m.PublicKey != nil {
		key = m.PublicKey.Content
	}
	return r.finish(key, m.PublicKey != nil, m.CSR)
}

func unmarshal(body []byte, v any) error {
	if len(body) > MaxRequest {
		return fmt.Errorf("parsing request: %w: %d bytes, at most %d", ErrRequest, len(body), MaxRequest)
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("parsing request: %w: %w", ErrRequest, err)
	}
	return nil
}

// finish parses the key or the signing request. Exactly one of them must be
// present.
func (r Request) finish(key []byte, hasKey bool, csr []byte) (Request, error) {
	var err error
	switch {
	case hasKey == (len(csr) > 0):
		err = errors.New("want a public key or a certificate signing request")
	case hasKey && len(r.ProofOfPossession) == 0:
		err = errors.New("no proof of possession")
	case hasKey:
		r.PublicKey, err = parseKey(key)
	case len(r.ProofOfPossession) > 0:
		err = errors.New("both a proof of possession and a certificate signing request")
	default:
		r.CSR, err = parseCSR(csr)
	}
	if err != nil {
		return Request{}, fmt.Errorf("parsing request: %w: %w", ErrRequest, err)
	}
	if r.CSR != nil {
		r.PublicKey = r.CSR.PublicKey
	}
	return r, nil
}

// parseKey parses a SubjectPublicKeyInfo in PEM or DER.
func parseKey(content []byte) (crypto.PublicKey, error) {
	if block, rest := pem.Decode(content); block != nil {
		if block.Type != "PUBLIC KEY" || len(rest) > 0 {
			return nil, errors.New("public key is not one PUBLIC KEY block of PEM")
		}
		content = block.Bytes
	}
	key, err := x509.ParsePKIXPublicKey(content)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	if _, err := sigalg.ForKey(key); err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return key, nil
}

func parseCSR(content []byte) (*x509.CertificateRequest, error) {
	block, rest := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) > 0 {
		return nil, errors.New("certificate signing request is not one block of PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate signing request: %w", err)
	}
	if _, err := sigalg.ForKey(csr.PublicKey); err != nil {
		return nil, fmt.Errorf("certificate signing request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate signing request: %w", err)
	}
	return csr, nil
}

// Marshal returns the body of POST /api/v2/signingCert, which [ParseRequest]
// reads. Without Token, the body has no credentials.
func (r Request) Marshal() ([]byte, error) {
	var m requestV2
	if r.Token != "" {
		m.Credentials = &credentials{r.Token}
	}
	if r.CSR != nil {
		m.CSR = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: r.CSR.Raw})
		return json.Marshal(m)
	}
	der, err := x509.MarshalPKIXPublicKey(r.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("marshalling request: %w", err)
	}
	content := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	m.PublicKeyRequest = &publicKeyRequest{publicKey{Content: string(content)}, r.ProofOfPossession}
	return json.Marshal(m)
}
