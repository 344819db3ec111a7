// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxBody bounds an entry body, in bytes. Rekor v1 stored intoto entries of
// some hundred KiB, with payload.
const maxBody = 16 << 20

// maxValues bounds the objects and arrays of a body. One signature takes three.
const maxValues = 256

// ErrKind reports that an entry is of a kind or version that this release does not support. A
// newer release may support it.
var ErrKind = errors.New("entry kind is not supported")

// A Digest is a hash value with its algorithm.
type Digest struct {
	Hash  crypto.Hash
	Value []byte // Hash.Size() bytes
}

// A BodySignature is one signature in a body. Verifier.KeyDetails is empty for kinds of Rekor
// v1.
type BodySignature struct {
	Content  []byte
	Verifier Verifier
}

// A Body is the content of an entry, of any kind. Fields that a kind does not have are zero:
//
//	                    Data   PayloadHash  EnvelopeHash  Signatures
//	hashedrekord 0.0.1  yes                               1
//	hashedrekord 0.0.2  yes                               1
//	dsse 0.0.1                 yes          yes           1 or more
//	dsse 0.0.2                 yes                        1 or more
//	intoto 0.0.2               yes          yes           1 or more
type Body struct {
	Kind         string
	Version      string
	Data         Digest // of the artifact, or of an envelope's PAE
	PayloadHash  Digest // of the envelope's payload
	EnvelopeHash Digest // of the envelope as it was sent; JSON is not canonical, don't compare
	Signatures   []BodySignature
}

// ParseBody parses the body of an entry. Errors: ErrKind for kinds and versions
// that are not in Body's table.
func ParseBody(canonical []byte) (Body, error) {
	if len(canonical) > maxBody {
		return Body{}, fmt.Errorf("parsing entry body: longer than %d bytes", maxBody)
	}
	if b, ok := canonicalHashedRekord(canonical); ok {
		return b, nil
	}
	return parseBody(canonical)
}

// parseBody parses bodies of every kind, in any JSON encoding.
func parseBody(canonical []byte) (Body, error) {
	// No valid body has this much structure; a decoder's memory for it is many times its size.
	if bytes.Count(canonical, []byte("{"))+bytes.Count(canonical, []byte("[")) > maxValues {
		return Body{}, fmt.Errorf("parsing entry body: more than %d objects and arrays", maxValues)
	}
	var head struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Spec       jsontext.Value `json:"spec"`
	}
	if err := strict(canonical, &head); err != nil {
		return Body{}, fmt.Errorf("parsing entry body: %w", err)
	}
	b := Body{Kind: head.Kind, Version: head.APIVersion}
	var parse func(spec []byte) error
	switch b.Kind + " " + b.Version {
	case "hashedrekord 0.0.1":
		parse = b.hashedRekord001
	case "hashedrekord 0.0.2":
		parse = b.hashedRekord002
	case "dsse 0.0.1":
		parse = b.dsse001
	case "dsse 0.0.2":
		parse = b.dsse002
	case "intoto 0.0.2":
		parse = b.intoto002
	default:
		return Body{}, fmt.Errorf("parsing entry body: %.32q %.32q: %w", b.Kind, b.Version, ErrKind)
	}
	if err := parse(head.Spec); err != nil {
		return Body{}, fmt.Errorf("parsing %s %s: %w", b.Kind, b.Version, err)
	}
	if len(b.Signatures) == 0 {
		return Body{}, fmt.Errorf("parsing %s %s: no signature", b.Kind, b.Version)
	}
	return b, nil
}

func strict(raw []byte, v any) error {
	return json.Unmarshal(raw, v, json.RejectUnknownMembers(true))
}

func (b *Body) hashedRekord002(raw []byte) error {
	var spec jsonSpec
	if err := strict(raw, &spec); err != nil {
		return err
	}
	var err error
	if b.Data, err = spec.HashedRekordV002.Data.digest(); err != nil {
		return err
	}
	return b.addV2(spec.HashedRekordV002.Signature)
}

func (b *Body) dsse002(raw []byte) error {
	var spec struct {
		DSSEV002 struct {
			PayloadHash jsonDigest      `json:"payloadHash"`
			Signatures  []jsonSignature `json:"signatures"`
		} `json:"dsseV002"`
	}
	if err := strict(raw, &spec); err != nil {
		return err
	}
	var err error
	if b.PayloadHash, err = spec.DSSEV002.PayloadHash.digest(); err != nil {
		return err
	}
	for _, signature := range spec.DSSEV002.Signatures {
		if err := b.addV2(signature); err != nil {
			return err
		}
	}
	return nil
}

func (b *Body) addV2(signature jsonSignature) error {
	verifier, err := signature.Verifier.verifier()
	if err != nil {
		return err
	}
	if verifier.KeyDetails == "" {
		return errors.New("verifier: keyDetails is missing")
	}
	return b.add(signature.Content, verifier)
}

func (b *Body) add(content []byte, verifier Verifier) error {
	if len(content) == 0 {
		return errors.New("signature is empty")
	}
	b.Signatures = append(b.Signatures, BodySignature{Content: content, Verifier: verifier})
	return nil
}

func (j jsonDigest) digest() (Digest, error) {
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if name, err := hashName(hash); err == nil && name == j.Algorithm {
			return newDigest(hash, j.Digest)
		}
	}
	return Digest{}, fmt.Errorf("hash algorithm %.32q is not supported", j.Algorithm)
}

func newDigest(hash crypto.Hash, value []byte) (Digest, error) {
	if len(value) != hash.Size() {
		return Digest{}, fmt.Errorf("%v of %d bytes", hash, len(value))
	}
	return Digest{Hash: hash, Value: value}, nil
}

// A jsonHash is a hash as Rekor v1 writes it: {"algorithm":"sha256","value":hex}.
type jsonHash struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}

func (j jsonHash) digest() (Digest, error) {
	var hash crypto.Hash
	switch j.Algorithm {
	case "sha256":
		hash = crypto.SHA256
	case "sha384":
		hash = crypto.SHA384
	case "sha512":
		hash = crypto.SHA512
	default:
		return Digest{}, fmt.Errorf("hash algorithm %.32q is not supported", j.Algorithm)
	}
	value, err := hex.DecodeString(j.Value)
	if err != nil {
		return Digest{}, fmt.Errorf("decoding hash: %w", err)
	}
	return newDigest(hash, value)
}

func (b *Body) hashedRekord001(raw []byte) error {
	var spec struct {
		Data struct {
			Hash jsonHash `json:"hash"`
		} `json:"data"`
		Signature struct {
			Content   []byte `json:"content"`
			PublicKey struct {
				Content []byte `json:"content"`
			} `json:"publicKey"`
		} `json:"signature"`
	}
	if err := strict(raw, &spec); err != nil {
		return err
	}
	var err error
	if b.Data, err = spec.Data.Hash.digest(); err != nil {
		return err
	}
	verifier, err := parsePEM(spec.Signature.PublicKey.Content)
	if err != nil {
		return err
	}
	return b.add(spec.Signature.Content, verifier)
}

func (b *Body) dsse001(raw []byte) error {
	var spec struct {
		EnvelopeHash jsonHash `json:"envelopeHash"`
		PayloadHash  jsonHash `json:"payloadHash"`
		Signatures   []struct {
			Signature []byte `json:"signature"`
			Verifier  []byte `json:"verifier"`
		} `json:"signatures"`
	}
	if err := strict(raw, &spec); err != nil {
		return err
	}
	if err := b.setHashes(spec.PayloadHash, spec.EnvelopeHash); err != nil {
		return err
	}
	for _, s := range spec.Signatures {
		verifier, err := parsePEM(s.Verifier)
		if err != nil {
			return err
		}
		if err := b.add(s.Signature, verifier); err != nil {
			return err
		}
	}
	return nil
}

// intoto002 reads the envelope of an intoto entry. Its payload (which may be absent) and
// signatures are in base64 twice.
func (b *Body) intoto002(raw []byte) error {
	var spec struct {
		Content struct {
			Envelope struct {
				Payload     string `json:"payload"`
				PayloadType string `json:"payloadType"`
				Signatures  []struct {
					KeyID     string `json:"keyid"`
					PublicKey []byte `json:"publicKey"`
					Sig       []byte `json:"sig"`
				} `json:"signatures"`
			} `json:"envelope"`
			Hash        jsonHash `json:"hash"`
			PayloadHash jsonHash `json:"payloadHash"`
		} `json:"content"`
	}
	if err := strict(raw, &spec); err != nil {
		return err
	}
	if err := b.setHashes(spec.Content.PayloadHash, spec.Content.Hash); err != nil {
		return err
	}
	if spec.Content.Envelope.PayloadType == "" {
		return errors.New("no payload type")
	}
	for _, s := range spec.Content.Envelope.Signatures {
		content, err := base64.StdEncoding.Strict().DecodeString(string(s.Sig))
		if err != nil {
			return fmt.Errorf("decoding signature: %w", err)
		}
		verifier, err := parsePEM(s.PublicKey)
		if err != nil {
			return err
		}
		if err := b.add(content, verifier); err != nil {
			return err
		}
	}
	return nil
}

func (b *Body) setHashes(payload, envelope jsonHash) (err error) {
	if b.PayloadHash, err = payload.digest(); err != nil {
		return err
	}
	b.EnvelopeHash, err = envelope.digest()
	return err
}

// parsePEM reads the single block, certificate or key, that Rekor v1 stores.
func parsePEM(raw []byte) (Verifier, error) {
	block, rest := pem.Decode(raw)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return Verifier{}, errors.New("verifier is not one PEM block")
	}
	switch block.Type {
	case "CERTIFICATE":
		return Verifier{Certificate: block.Bytes}, nil
	case "PUBLIC KEY":
		return Verifier{PublicKey: block.Bytes}, nil
	default:
		return Verifier{}, fmt.Errorf("verifier is a PEM %.32q", block.Type)
	}
}
