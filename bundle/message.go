// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"github.com/hallmark-sign/hallmark/wire/protojson"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// The messages of bundle/v1/sigstore_bundle.proto, and those of
// common/v1/sigstore_common.proto that they contain.
type (
	bundleMessage struct {
		mediaType protojson.String
		material  *material
		signature *messageSignature
		envelope  *envelope
	}
	material struct {
		publicKey   *publicKey
		chain       *chain
		certificate *certificate
		entries     []rekor.TransparencyLogEntry
		timestamps  *timestamps
	}
	publicKey        struct{ hint protojson.String }
	chain            struct{ certificates []certificate }
	certificate      struct{ raw protojson.Bytes }
	timestamps       struct{ rfc3161 []timestamp }
	timestamp        struct{ signed protojson.Bytes }
	messageSignature struct {
		digest    *hashOutput
		signature protojson.Bytes
	}
	hashOutput struct {
		algorithm int32
		digest    protojson.Bytes
	}
)

// The messages of dsse/envelope.proto. Their JSON names are the original names.
type (
	envelope struct {
		payload     protojson.Bytes
		payloadType protojson.String
		signatures  []envelopeSignature
	}
	envelopeSignature struct {
		sig   protojson.Bytes
		keyID protojson.String
	}
)

func (m *bundleMessage) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "mediaType", Value: &m.mediaType},
		{Name: "verificationMaterial", Value: protojson.Optional(&m.material)},
		{Name: "messageSignature", Oneof: true, Value: protojson.Optional(&m.signature)},
		{Name: "dsseEnvelope", Oneof: true, Value: protojson.Optional(&m.envelope)},
	}
}

func (m *material) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "publicKey", Oneof: true, Value: protojson.Optional(&m.publicKey)},
		{Name: "x509CertificateChain", Oneof: true, Value: protojson.Optional(&m.chain)},
		{Name: "certificate", Oneof: true, Value: protojson.Optional(&m.certificate)},
		{Name: "tlogEntries", Value: protojson.List(&m.entries)},
		{Name: "timestampVerificationData", Value: protojson.Optional(&m.timestamps)},
	}
}

func (m *publicKey) Members() []protojson.Member {
	return []protojson.Member{{Name: "hint", Value: &m.hint}}
}

func (m *chain) Members() []protojson.Member {
	return []protojson.Member{{Name: "certificates", Value: protojson.List(&m.certificates)}}
}

func (m *certificate) Members() []protojson.Member {
	return []protojson.Member{{Name: "rawBytes", Value: &m.raw}}
}

func (m *timestamps) Members() []protojson.Member {
	return []protojson.Member{{Name: "rfc3161Timestamps", Value: protojson.List(&m.rfc3161)}}
}

func (m *timestamp) Members() []protojson.Member {
	return []protojson.Member{{Name: "signedTimestamp", Value: &m.signed}}
}

func (m *messageSignature) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "messageDigest", Value: protojson.Optional(&m.digest)},
		{Name: "signature", Value: &m.signature},
	}
}

func (m *hashOutput) Members() []protojson.Member {
	return []protojson.Member{{Name: "algorithm", Value: m.named()}, {Name: "digest", Value: &m.digest}}
}

// named returns the algorithm with its name.
func (m *hashOutput) named() protojson.Enum {
	return protojson.Enum{At: &m.algorithm, Names: sigalg.HashAlgorithms()}
}

func (m *envelope) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "payload", Value: &m.payload},
		{Name: "payloadType", Proto: "payloadType", Value: &m.payloadType},
		{Name: "signatures", Value: protojson.List(&m.signatures)},
	}
}

func (m *envelopeSignature) Members() []protojson.Member {
	return []protojson.Member{{Name: "sig", Value: &m.sig}, {Name: "keyid", Value: &m.keyID}}
}
