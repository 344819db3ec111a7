// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto"
	"errors"

	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// Limits of what Parse accepts. MaxSize is looked at before anything is parsed.
const (
	MaxSize         = 140 << 20 // bytes of JSON: a statement of 100 MiB in base64, and the rest
	maxMaterial     = 32 << 20  // bytes of JSON without the envelope's payload
	MaxEntries      = 32        // log entries
	MaxTimestamps   = 32        // RFC 3161 responses
	MaxCertificates = 10        // of a v0.1 or v0.2 chain
	MaxChain        = 32 << 10  // bytes of all certificates; a parsed one takes many times its size
)

// ErrMalformed is the cause of every refusal of Parse, FromDetached and Marshal:
// the bytes are no bundle, whatever they would prove. ErrVersion is added where the media type
// is the reason: a newer hallmark may read it.
var (
	ErrMalformed = errors.New("malformed bundle")
	ErrVersion   = errors.New("unknown bundle version")
)

// Version is a bundle's media type without its spelling.
type Version int

// The versions in their order; later ones ask for more.
const (
	V01 Version = iota + 1
	V02
	V03
)

// Bundle is what one signature carries with it. Exactly one of Message and
// Envelope is set, and exactly one of Certificates and KeyHint counts:
// Certificates when it is not empty.
//
//	{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",
//	 "verificationMaterial":{
//	   "certificate":{"rawBytes":"MIIC…"},
//	   "tlogEntries":[{"logIndex":"7",…}],
//	   "timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"MIIE…"}]}},
//	 "messageSignature":{
//	   "messageDigest":{"algorithm":"SHA2_256","digest":"WJG1…"},
//	   "signature":"MEUC…"}}
type Bundle struct {
	Version      Version
	Certificates [][]byte // DER, leaf first; v0.3 has the leaf alone
	KeyHint      string   // names a public key that the verifier has; unauthenticated
	Entries      []rekor.Entry
	Timestamps   [][]byte // RFC 3161 TimeStampResp, DER
	Message      *MessageSignature
	Envelope     *dsse.Envelope // with exactly one signature
}

// MessageSignature is a signature over an artifact's bytes. The digest is what
// the signer claims and must be compared with the artifact's own, never used in
// its place; it is absent (Hash 0) in some bundles.
type MessageSignature struct {
	Hash      crypto.Hash
	Digest    []byte
	Signature []byte
}

// Signature returns the raw signature that timestamps and log entries are about.
func (b *Bundle) Signature() []byte {
	if b.Message != nil {
		return b.Message.Signature
	}
	return b.Envelope.Signatures[0].Sig
}
