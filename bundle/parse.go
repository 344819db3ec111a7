package bundle

import (
	"crypto"
	"errors"
	"fmt"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	dssepb "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// MediaType is what Marshal writes and the specification asks of new bundles.
const MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

var versions = map[string]Version{
	"application/vnd.dev.sigstore.bundle+json;version=0.1": V01,
	"application/vnd.dev.sigstore.bundle+json;version=0.2": V02,
	"application/vnd.dev.sigstore.bundle+json;version=0.3": V03,
	MediaType: V03,
}

// hashes are the digest algorithms of a message signature (HashAlgorithm of
// sigstore_common.proto) that hallmark can compute.
var hashes = map[commonpb.HashAlgorithm]crypto.Hash{
	commonpb.HashAlgorithm_SHA2_256: crypto.SHA256,
	commonpb.HashAlgorithm_SHA2_384: crypto.SHA384,
	commonpb.HashAlgorithm_SHA2_512: crypto.SHA512,
}

// Parse reads a bundle, or the file that cosign 1 and 2 called so, which becomes
// one of v0.1; see Detached. Errors: ErrMalformed, with ErrVersion beside it for a
// media type that is not known.
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
	var pb bundlepb.Bundle
	if err := protojson.Unmarshal(payload.without(raw), &pb); err != nil {
		return nil, err
	}
	if envelope := pb.GetDsseEnvelope(); envelope != nil {
		if err := payload.into(envelope, raw); err != nil {
			return nil, err
		}
	}
	version, ok := versions[pb.GetMediaType()]
	if !ok {
		return nil, fmt.Errorf("media type %.100q: %w", pb.GetMediaType(), ErrVersion)
	}
	b := &Bundle{Version: version}
	material := pb.GetVerificationMaterial()
	for _, read := range []func() error{
		func() error { return b.readKey(material) },
		func() error { return b.readEntries(material.GetTlogEntries()) },
		func() error { return b.readTimestamps(material.GetTimestampVerificationData()) },
		func() error { return b.readContent(&pb) },
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
func (b *Bundle) readKey(m *bundlepb.VerificationMaterial) error {
	switch content := m.GetContent().(type) {
	case *bundlepb.VerificationMaterial_PublicKey:
		b.KeyHint = content.PublicKey.GetHint()
		return nil
	case *bundlepb.VerificationMaterial_Certificate:
		b.Certificates = [][]byte{content.Certificate.GetRawBytes()}
	case *bundlepb.VerificationMaterial_X509CertificateChain:
		if b.Version >= V03 {
			return errors.New("a certificate chain, where v0.3 has one certificate")
		}
		for _, c := range content.X509CertificateChain.GetCertificates() {
			b.Certificates = append(b.Certificates, c.GetRawBytes())
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

// readEntries: v0.1 bundles "may contain an inclusion promise and not an
// inclusion proof" (sigstore_bundle.proto, VerificationMaterial); later ones
// need the proof.
func (b *Bundle) readEntries(entries []*rekorpb.TransparencyLogEntry) error {
	if len(entries) > MaxEntries {
		return fmt.Errorf("%d log entries, want at most %d", len(entries), MaxEntries)
	}
	for i, pb := range entries {
		entry, err := rekor.EntryFromProto(pb)
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

func (b *Bundle) readTimestamps(data *bundlepb.TimestampVerificationData) error {
	for _, t := range data.GetRfc3161Timestamps() {
		b.Timestamps = append(b.Timestamps, t.GetSignedTimestamp())
	}
	return checkBlobs("timestamp", b.Timestamps, 0, MaxTimestamps)
}

func (b *Bundle) readContent(pb *bundlepb.Bundle) (err error) {
	switch content := pb.GetContent().(type) {
	case *bundlepb.Bundle_MessageSignature:
		b.Message, err = messageFromProto(content.MessageSignature)
	case *bundlepb.Bundle_DsseEnvelope:
		b.Envelope, err = envelopeFromProto(content.DsseEnvelope)
	default:
		err = errors.New("no message signature and no envelope")
	}
	return err
}

func messageFromProto(pb *commonpb.MessageSignature) (*MessageSignature, error) {
	if len(pb.GetSignature()) == 0 {
		return nil, errors.New("empty signature")
	}
	m := &MessageSignature{Signature: pb.GetSignature()}
	if pb.GetMessageDigest() == nil {
		return m, nil
	}
	hash, ok := hashes[pb.GetMessageDigest().GetAlgorithm()]
	if !ok {
		return nil, fmt.Errorf("message digest: algorithm %s", pb.GetMessageDigest().GetAlgorithm())
	}
	m.Hash, m.Digest = hash, pb.GetMessageDigest().GetDigest()
	if len(m.Digest) != hash.Size() {
		return nil, fmt.Errorf("message digest: %d bytes for %s", len(m.Digest), hash)
	}
	return m, nil
}

// envelopeFromProto: "DSSE envelopes in a bundle MUST have exactly one
// signature" (sigstore_bundle.proto, Bundle).
func envelopeFromProto(pb *dssepb.Envelope) (*dsse.Envelope, error) {
	if n := len(pb.GetSignatures()); n != 1 {
		return nil, fmt.Errorf("envelope with %d signatures, want 1", n)
	}
	signature := dsse.Signature{KeyID: pb.GetSignatures()[0].GetKeyid(), Sig: pb.GetSignatures()[0].GetSig()}
	if len(signature.Sig) == 0 {
		return nil, errors.New("envelope with an empty signature")
	}
	return &dsse.Envelope{
		PayloadType: pb.GetPayloadType(),
		Payload:     pb.GetPayload(),
		Signatures:  []dsse.Signature{signature},
	}, nil
}

// into puts the payload into an envelope that was read without it.
func (s span) into(pb *dssepb.Envelope, raw []byte) error {
	if s.to == 0 {
		return nil // it was not left out
	}
	payload, err := decodePayload(s.in(raw))
	if err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	pb.Payload = payload
	return nil
}

// checkBlobs holds the number of blobs between least and most, and each to be
// something.
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
