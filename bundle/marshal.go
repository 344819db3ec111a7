package bundle

import (
	"encoding/base64"
	"errors"
	"fmt"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	dssepb "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-sign/hallmark/wire/dsse"
)

// Marshal writes the bundle as v0.3, whatever version it was read from, and
// reads it again before it gives it out: a bundle that cannot be written as
// v0.3 (a chain of several certificates, an entry without proof) is refused
// with ErrMalformed. The payload of an envelope is copied once, as base64; there is
// room behind the bundle for the end of a line.
func (b *Bundle) Marshal() ([]byte, error) {
	raw, err := b.marshal()
	if err != nil {
		return nil, fmt.Errorf("marshalling bundle: %w: %w", ErrMalformed, err)
	}
	return raw, nil
}

func (b *Bundle) marshal() ([]byte, error) {
	pb, err := b.proto()
	if err != nil {
		return nil, err
	}
	raw, err := protojson.Marshal(pb)
	if err != nil {
		return nil, err
	}
	if _, err := parse(raw); err != nil || b.Envelope == nil {
		return raw, err
	}
	at, err := checkSize(raw, payloadInBundle)
	if err != nil {
		return nil, err
	}
	size := base64.StdEncoding.EncodedLen(len(b.Envelope.Payload))
	if len(raw)+size > MaxSize {
		return nil, fmt.Errorf("%d bytes, at most %d are read", len(raw)+size, MaxSize)
	}
	out := make([]byte, 0, len(raw)+size+1)
	out = append(out, raw[:at.from]...)
	out = base64.StdEncoding.AppendEncode(out, b.Envelope.Payload)
	return append(out, raw[at.to:]...), nil
}

func (b *Bundle) proto() (*bundlepb.Bundle, error) {
	if (b.Message == nil) == (b.Envelope == nil) {
		return nil, errors.New("want a message signature or an envelope")
	}
	pb := &bundlepb.Bundle{MediaType: MediaType, VerificationMaterial: &bundlepb.VerificationMaterial{}}
	if err := b.writeKey(pb.VerificationMaterial); err != nil {
		return nil, err
	}
	for _, entry := range b.Entries {
		pb.VerificationMaterial.TlogEntries = append(pb.VerificationMaterial.TlogEntries, entry.Proto())
	}
	if len(b.Timestamps) > 0 {
		data := &bundlepb.TimestampVerificationData{}
		for _, t := range b.Timestamps {
			data.Rfc3161Timestamps = append(data.Rfc3161Timestamps, &commonpb.RFC3161SignedTimestamp{SignedTimestamp: t})
		}
		pb.VerificationMaterial.TimestampVerificationData = data
	}
	if b.Message != nil {
		pb.Content = &bundlepb.Bundle_MessageSignature{MessageSignature: b.Message.proto()}
	} else {
		pb.Content = &bundlepb.Bundle_DsseEnvelope{DsseEnvelope: envelopeProto(b.Envelope)}
	}
	return pb, nil
}

func (b *Bundle) writeKey(m *bundlepb.VerificationMaterial) error {
	switch len(b.Certificates) {
	case 0:
		m.Content = &bundlepb.VerificationMaterial_PublicKey{PublicKey: &commonpb.PublicKeyIdentifier{Hint: b.KeyHint}}
	case 1:
		m.Content = &bundlepb.VerificationMaterial_Certificate{Certificate: &commonpb.X509Certificate{RawBytes: b.Certificates[0]}}
	default:
		return fmt.Errorf("%d certificates, where v0.3 has one", len(b.Certificates))
	}
	return nil
}

func (m *MessageSignature) proto() *commonpb.MessageSignature {
	pb := &commonpb.MessageSignature{Signature: m.Signature}
	for algorithm, hash := range hashes {
		if m.Hash == hash {
			pb.MessageDigest = &commonpb.HashOutput{Algorithm: algorithm, Digest: m.Digest}
		}
	}
	return pb
}

// envelopeProto is the envelope with one byte as its payload, in place of megabytes.
func envelopeProto(e *dsse.Envelope) *dssepb.Envelope {
	pb := &dssepb.Envelope{PayloadType: e.PayloadType, Payload: []byte{0}}
	for _, s := range e.Signatures {
		pb.Signatures = append(pb.Signatures, &dssepb.Signature{Keyid: s.KeyID, Sig: s.Sig})
	}
	return pb
}
