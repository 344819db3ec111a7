// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto"
	"errors"
	"fmt"

	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/protojson"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// MediaType is the media type that Marshal writes and the specification requires of new
// bundles.
const MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

var versions = map[string]Version{
	"application/vnd.dev.sigstore.bundle+json;version=0.1": V01,
	"application/vnd.dev.sigstore.bundle+json;version=0.2": V02,
	"application/vnd.dev.sigstore.bundle+json;version=0.3": V03,
	MediaType: V03,
}

// hashes lists the supported digest algorithms of a message signature, by their number in
// HashAlgorithm of sigstore_common.proto.
var hashes = [...]crypto.Hash{1: crypto.SHA256, 2: crypto.SHA384, 3: crypto.SHA512}

// Parse reads a bundle. A single-file bundle of cosign 1 or 2 becomes one of v0.1; see
// [Detached]. Errors: ErrMalformed; for an unknown media type also ErrVersion.
func Parse(raw []byte) (*Bundle, error) {
	b, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("parsing bundle: %w: %w", ErrMalformed, err)
	}
	return b, nil
}

func parse(raw []byte) (*Bundle, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(raw), MaxSize)
	}
	payload, err := checkSize(raw, payloadInBundle)
	if err != nil {
		return nil, err
	}
	if isLegacy(raw) {
		return parseLegacy(raw)
	}
	var m bundleMessage
	if err := protojson.Unmarshal(payload.without(raw), &m); err != nil {
		return nil, err
	}
	if m.envelope != nil {
		if err := payload.into(m.envelope, raw); err != nil {
			return nil, err
		}
	}
	version, ok := versions[string(m.mediaType)]
	if !ok {
		return nil, fmt.Errorf("media type %.100q: %w", m.mediaType, ErrVersion)
	}
	if m.material == nil {
		m.material = new(material)
	}
	b := &Bundle{Version: version}
	for _, read := range []func() error{
		func() error { return b.readKey(m.material) },
		func() error { return b.readEntries(m.material.entries) },
		func() error { return b.readTimestamps(m.material.timestamps) },
		func() error { return b.readContent(&m) },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// readKey reads the key material, which comes "in one of three forms" (sigstore_bundle.proto,
// VerificationMaterial): a key's identifier, "a sequence of one or more X.509
// certificates, of which the first member MUST be a leaf certificate", which
// v0.3 does not use, or a single leaf certificate.
func (b *Bundle) readKey(m *material) error {
	switch {
	case m.publicKey != nil:
		b.KeyHint = string(m.publicKey.hint)
		return nil
	case m.certificate != nil:
		b.Certificates = [][]byte{m.certificate.raw}
	case m.chain != nil:
		if b.Version >= V03 {
			return errors.New("a certificate chain, where v0.3 has one certificate")
		}
		for _, c := range m.chain.certificates {
			b.Certificates = append(b.Certificates, c.raw)
		}
	default:
		return errors.New("no certificate and no public key")
	}
	return b.checkChain()
}

func (b *Bundle) checkChain() error {
	size := 0
	for _, der := range b.Certificates {
		size += len(der)
	}
	if size > MaxChain {
		return fmt.Errorf("certificates of %d bytes, want at most %d", size, MaxChain)
	}
	return checkBlobs("certificate", b.Certificates, 1, MaxCertificates)
}

// readEntries reads the log entries. v0.1 bundles "may contain an inclusion promise and not
// an inclusion proof" (sigstore_bundle.proto, VerificationMaterial); later versions require
// the proof.
func (b *Bundle) readEntries(entries []rekor.TransparencyLogEntry) error {
	if len(entries) > MaxEntries {
		return fmt.Errorf("%d log entries, want at most %d", len(entries), MaxEntries)
	}
	for i := range entries {
		entry, err := entries[i].Entry()
		if err != nil {
			return fmt.Errorf("log entry %d: %w", i, err)
		}
		if b.Version == V01 && len(entry.SignedEntryTimestamp) == 0 {
			return fmt.Errorf("log entry %d: no inclusion promise, which v0.1 requires", i)
		}
		if b.Version > V01 && entry.Proof == nil {
			return fmt.Errorf("log entry %d: no inclusion proof, which v0.2 and later require", i)
		}
		b.Entries = append(b.Entries, entry)
	}
	return nil
}

func (b *Bundle) readTimestamps(m *timestamps) error {
	if m == nil {
		return nil
	}
	for _, t := range m.rfc3161 {
		b.Timestamps = append(b.Timestamps, t.signed)
	}
	return checkBlobs("timestamp", b.Timestamps, 0, MaxTimestamps)
}

func (b *Bundle) readContent(m *bundleMessage) (err error) {
	switch {
	case m.signature != nil:
		b.Message, err = m.signature.read()
	case m.envelope != nil:
		b.Envelope, err = m.envelope.read()
	default:
		err = errors.New("no message signature and no envelope")
	}
	return err
}

func (m *messageSignature) read() (*MessageSignature, error) {
	if len(m.signature) == 0 {
		return nil, errors.New("empty signature")
	}
	s := &MessageSignature{Signature: m.signature}
	if m.digest == nil {
		return s, nil
	}
	if n := m.digest.algorithm; 0 < n && int(n) < len(hashes) {
		s.Hash = hashes[n]
	} else {
		return nil, fmt.Errorf("message digest: algorithm %s", m.digest.named())
	}
	s.Digest = m.digest.digest
	if len(s.Digest) != s.Hash.Size() {
		return nil, fmt.Errorf("message digest: %d bytes for %s", len(s.Digest), s.Hash)
	}
	return s, nil
}

// read reads the envelope: "DSSE envelopes in a bundle MUST have exactly one
// signature" (sigstore_bundle.proto, Bundle).
func (m *envelope) read() (*dsse.Envelope, error) {
	if n := len(m.signatures); n != 1 {
		return nil, fmt.Errorf("envelope with %d signatures, want 1", n)
	}
	signature := dsse.Signature{KeyID: string(m.signatures[0].keyID), Sig: m.signatures[0].sig}
	if len(signature.Sig) == 0 {
		return nil, errors.New("envelope with an empty signature")
	}
	return &dsse.Envelope{
		PayloadType: string(m.payloadType),
		Payload:     m.payload,
		Signatures:  []dsse.Signature{signature},
	}, nil
}

// into adds the payload to an envelope that was parsed without it.
func (s span) into(m *envelope, raw []byte) (err error) {
	if s.to == 0 {
		return nil // the envelope has it already
	}
	if m.payload, err = protojson.DecodeBase64(s.in(raw)); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	return nil
}

// checkBlobs checks that there are at least least and at most most blobs, none of them empty.
func checkBlobs(what string, blobs [][]byte, least, most int) error {
	if len(blobs) < least || len(blobs) > most {
		return fmt.Errorf("%d %ss, want %d to %d", len(blobs), what, least, most)
	}
	for i, blob := range blobs {
		if len(blob) == 0 {
			return fmt.Errorf("%s %d is empty", what, i)
		}
	}
	return nil
}
