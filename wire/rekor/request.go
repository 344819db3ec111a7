// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/wire/dsse"
)

// MaxRequest bounds a request, in bytes. A leaf is at most 64 KiB; a dsse request also carries
// its payload, of which only the hash is kept.
const MaxRequest = 8 << 20

// A jsonRequest is CreateEntryRequest of rekor/v2: exactly one member is set.
type jsonRequest struct {
	HashedRekord *jsonHashedRequest `json:"hashedRekordRequestV002,omitzero"`
	DSSE         *jsonDSSERequest   `json:"dsseRequestV002,omitzero"`
}

type jsonHashedRequest struct {
	Digest    []byte        `json:"digest"`
	Signature jsonSignature `json:"signature"`
}

type jsonDSSERequest struct {
	Envelope struct {
		Payload     []byte `json:"payload"`
		PayloadType string `json:"payloadType"`
		Signatures  []struct {
			Sig   []byte `json:"sig"`
			KeyID string `json:"keyid"`
		} `json:"signatures"`
	} `json:"envelope"`
	Verifiers []jsonVerifier `json:"verifiers"`
}

// ParseRequest parses a request for an entry:
//
//	{"hashedRekordRequestV002":{"digest":"…","signature":{"content":"…",
//	  "verifier":{"x509Certificate":{"rawBytes":"…"},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}}}}
//
// or a dsseRequestV002 with one signature and one verifier. It does not verify
// the signature. Errors: ErrMalformed, and for a dsse request ErrAlgorithm.
func ParseRequest(body []byte) (HashedRekord, error) {
	if len(body) > MaxRequest {
		return HashedRekord{}, fmt.Errorf("longer than %d bytes: %w", MaxRequest, ErrMalformed)
	}
	var request jsonRequest
	strict := json.WithUnmarshalers(json.UnmarshalFunc(unmarshalBase64))
	if err := json.Unmarshal(body, &request, json.RejectUnknownMembers(true), strict); err != nil {
		return HashedRekord{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch {
	case request.HashedRekord != nil && request.DSSE == nil:
		return request.HashedRekord.hashedRekord()
	case request.DSSE != nil && request.HashedRekord == nil:
		return request.DSSE.hashedRekord()
	default:
		return HashedRekord{}, fmt.Errorf("want hashedRekordRequestV002 or dsseRequestV002: %w", ErrMalformed)
	}
}

// unmarshalBase64 refuses base64 that is not canonical: "decoders MAY choose to reject an
// encoding if the pad bits have not been set to zero" (RFC 4648 §3.5).
func unmarshalBase64(raw []byte, v *[]byte) error {
	if string(raw) == "null" {
		*v = nil
		return nil
	}
	text, err := jsontext.AppendUnquote(make([]byte, 0, len(raw)), raw)
	if err != nil {
		return err
	}
	if bytes.ContainsAny(text, "\r\n") { // the decoder would skip them
		return errors.New("base64 with line breaks")
	}
	*v, err = base64.StdEncoding.Strict().AppendDecode(nil, text)
	return err
}

func (r jsonHashedRequest) hashedRekord() (HashedRekord, error) {
	verifier, err := r.Signature.Verifier.verifier()
	if err != nil {
		return HashedRekord{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	h := HashedRekord{Digest: r.Digest, Signature: r.Signature.Content, Verifier: verifier}
	return h, h.checkPresent()
}

// hashedRekord returns the entry for the request: "DSSE … is persisted as a hashedrekord over
// the hash of the pre-authentication encoding".
func (r jsonDSSERequest) hashedRekord() (HashedRekord, error) {
	if len(r.Envelope.Signatures) != 1 || len(r.Verifiers) != 1 {
		return HashedRekord{}, fmt.Errorf("dsse: %d signatures and %d verifiers, want one of each: %w",
			len(r.Envelope.Signatures), len(r.Verifiers), ErrMalformed)
	}
	if r.Envelope.PayloadType == "" {
		return HashedRekord{}, fmt.Errorf("dsse: payloadType is missing: %w", ErrMalformed)
	}
	verifier, err := r.Verifiers[0].verifier()
	if err != nil {
		return HashedRekord{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	alg, err := hashedAlgorithm(verifier.KeyDetails)
	if err != nil {
		return HashedRekord{}, err
	}
	digest, err := alg.Digest(dsse.PAE(r.Envelope.PayloadType, r.Envelope.Payload))
	if err != nil {
		return HashedRekord{}, fmt.Errorf("%w: %w", ErrAlgorithm, err)
	}
	h := HashedRekord{Digest: digest, Signature: r.Envelope.Signatures[0].Sig, Verifier: verifier}
	return h, h.checkPresent()
}

func (h HashedRekord) checkPresent() error {
	switch {
	case len(h.Digest) == 0:
		return fmt.Errorf("digest is missing: %w", ErrMalformed)
	case len(h.Signature) == 0:
		return fmt.Errorf("signature is missing: %w", ErrMalformed)
	case h.Verifier.KeyDetails == "":
		return fmt.Errorf("keyDetails is missing: %w", ErrMalformed)
	default:
		return nil
	}
}

// MarshalRequest returns the hashedRekordRequestV002 that [ParseRequest] reads.
func MarshalRequest(h HashedRekord) ([]byte, error) {
	if err := h.checkPresent(); err != nil {
		return nil, err
	}
	if (h.Verifier.Certificate == nil) == (h.Verifier.PublicKey == nil) {
		return nil, errors.New("marshalling log entry request: want a certificate or a public key")
	}
	return json.Marshal(jsonRequest{HashedRekord: &jsonHashedRequest{
		Digest:    h.Digest,
		Signature: jsonSignature{Content: h.Signature, Verifier: h.Verifier.json()},
	}})
}
