// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/protojson"
)

// Marshal returns the bundle as v0.3, regardless of the version it was read from. It parses
// the result before returning it. A bundle that can't be written as v0.3 (several
// certificates, an entry without a proof) results in ErrMalformed. The payload of an envelope
// is copied once, as base64. The returned slice has capacity for a newline.
func (b *Bundle) Marshal() ([]byte, error) {
	raw, err := b.marshal()
	if err != nil {
		return nil, fmt.Errorf("marshalling bundle: %w: %w", ErrMalformed, err)
	}
	return raw, nil
}

func (b *Bundle) marshal() ([]byte, error) {
	m, err := b.message()
	if err != nil {
		return nil, err
	}
	raw, err := protojson.Marshal(m)
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

func (b *Bundle) message() (*bundleMessage, error) {
	if (b.Message == nil) == (b.Envelope == nil) {
		return nil, errors.New("want a message signature or an envelope")
	}
	m := &bundleMessage{mediaType: MediaType, material: new(material)}
	switch len(b.Certificates) {
	case 0:
		m.material.publicKey = &publicKey{protojson.String(b.KeyHint)}
	case 1:
		m.material.certificate = &certificate{b.Certificates[0]}
	default:
		return nil, fmt.Errorf("%d certificates, where v0.3 has one", len(b.Certificates))
	}
	for _, entry := range b.Entries {
		m.material.entries = append(m.material.entries, *entry.Message())
	}
	if len(b.Timestamps) > 0 {
		m.material.timestamps = new(timestamps)
	}
	for _, t := range b.Timestamps {
		m.material.timestamps.rfc3161 = append(m.material.timestamps.rfc3161, timestamp{t})
	}
	if b.Message != nil {
		m.signature = b.Message.message()
	} else {
		m.envelope = envelopeMessage(b.Envelope, []byte{0}) // in place of megabytes
	}
	return m, nil
}

func (s *MessageSignature) message() *messageSignature {
	m := &messageSignature{signature: s.Signature}
	for n, hash := range hashes {
		if n > 0 && s.Hash == hash {
			m.digest = &hashOutput{int32(n), s.Digest}
		}
	}
	return m
}

func envelopeMessage(e *dsse.Envelope, payload []byte) *envelope {
	m := &envelope{payload: payload, payloadType: protojson.String(e.PayloadType)}
	for _, s := range e.Signatures {
		m.signatures = append(m.signatures, envelopeSignature{s.Sig, protojson.String(s.KeyID)})
	}
	return m
}
