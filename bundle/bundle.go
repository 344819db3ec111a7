// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto"
	"errors"

	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// Limits of Parse. It checks MaxSize before it parses anything.
const (
	MaxSize         = 140 << 20 // bytes of JSON: a statement of 100 MiB in base64, and the rest
	maxMaterial     = 32 << 20  // bytes of JSON without the envelope's payload
	MaxEntries      = 32        // log entries
	MaxTimestamps   = 32        // RFC 3161 responses
	MaxCertificates = 10        // of a v0.1 or v0.2 chain
	MaxChain        = 32 << 10  // bytes of all certificates; a parsed one takes many times its size
)

// Errors of Parse, FromDetached and Marshal. All of them match ErrMalformed: the bytes are not
// a bundle. If the cause is the media type, they also match ErrVersion: a newer hallmark may
// read it.
var (
	ErrMalformed = errors.New("malformed bundle")
	ErrVersion   = errors.New("unknown bundle version")
)

// A Version is the version in a bundle's media type.
type Version int

// The versions in ascending order. Later versions have more requirements.
const (
	V01 Version = iota + 1
	V02
	V03
)

// A Bundle is a signature with its verification material. Exactly one of Message and
// Envelope is set. KeyHint is only used if Certificates is empty.
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
	Certificates [][]byte // DER, leaf first; only the leaf in v0.3
	KeyHint      string   // names a public key that the verifier has; unauthenticated
	Entries      []rekor.Entry
	Timestamps   [][]byte // RFC 3161 TimeStampResp, DER
	Message      *MessageSignature
	Envelope     *dsse.Envelope // with exactly one signature
}

// A MessageSignature is a signature over an artifact's bytes. The digest is only a claim of
// the signer: it must be compared with the computed digest of the artifact, and never
// replaces it. Some bundles have none (Hash is 0).
type MessageSignature struct {
	Hash      crypto.Hash
	Digest    []byte
	Signature []byte
}

// Signature returns the raw signature, which timestamps and log entries refer to.
func (b *Bundle) Signature() []byte {
	if b.Message != nil {
		return b.Message.Signature
	}
	return b.Envelope.Signatures[0].Sig
}
