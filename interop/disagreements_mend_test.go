// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// mended returns the mutant without the unsigned parts that hallmark is known to ignore and
// sigstore-go to refuse. sigstore-go must accept it, so that one such part does not hide
// another disagreement.
func (d disagreement) mended() []byte {
	pb := d.bundle()
	material := pb.GetVerificationMaterial()
	material.TlogEntries = slices.DeleteFunc(material.GetTlogEntries(), func(e *rekorpb.TransparencyLogEntry) bool { return !d.knownLog(logged{e}) })
	promised := func(e *rekorpb.TransparencyLogEntry) int {
		return min(1, len(e.GetInclusionPromise().GetSignedEntryTimestamp()))
	}
	slices.SortStableFunc(material.TlogEntries, func(a, b *rekorpb.TransparencyLogEntry) int { return promised(b) - promised(a) })
	var seen []string // of several with one key the one with a promise stays
	material.TlogEntries = slices.DeleteFunc(material.TlogEntries, func(e *rekorpb.TransparencyLogEntry) bool {
		twice := slices.Contains(seen, logged{e}.key())
		seen = append(seen, logged{e}.key())
		return twice
	})
	for _, e := range material.TlogEntries {
		logged{e}.mend()
		if (logged{e}).v2() {
			pb.MediaType = strings.Replace(pb.MediaType, "version=0.1", "version=0.2", 1) // v0.1 wants promises
		}
	}
	d.mendTokens(pb)
	for _, s := range pb.GetDsseEnvelope().GetSignatures() {
		s.Keyid = ""
	}
	if m := pb.GetMessageSignature(); m != nil {
		m.MessageDigest = d.originalDigest()
	}
	raw, err := protojson.Marshal(pb)
	if err != nil {
		return nil
	}
	return raw
}

// mend takes away times and promises that prove nothing, and signatures but the
// log's first; a proof without checkpoint goes altogether.
func (e logged) mend() {
	if e.v2() {
		e.InclusionPromise = nil
	}
	if len(e.GetInclusionPromise().GetSignedEntryTimestamp()) == 0 {
		e.InclusionPromise, e.IntegratedTime = nil, 0
	}
	if e.InclusionProof == nil {
		return
	}
	envelope := e.InclusionProof.GetCheckpoint().GetEnvelope()
	if envelope == "" {
		e.InclusionProof = nil
		return
	}
	text, signatures, _ := strings.Cut(envelope, "\n\n")
	for line := range strings.Lines(signatures) {
		if e.hinted(line) {
			e.InclusionProof.Checkpoint.Envelope = text + "\n\n" + line
			return
		}
	}
}

// originalDigest returns the artifact's message digest, with SHA-256.
func (d disagreement) originalDigest() *commonpb.HashOutput {
	sum := sha256.Sum256(d.of.artifact)
	return &commonpb.HashOutput{Algorithm: commonpb.HashAlgorithm_SHA2_256, Digest: sum[:]}
}

// mendTokens puts the certificates back that tokens had before.
func (d disagreement) mendTokens(pb *bundlepb.Bundle) {
	before := disagreement{mutant: mutant{raw: d.of.raw}}
	for _, s := range pb.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps() {
		for _, original := range before.timestamps() {
			if string(rest(original)) == string(rest(s.SignedTimestamp)) {
				s.SignedTimestamp = original
			}
		}
	}
}

// key returns the value by which sigstore-go identifies an entry.
func (e logged) key() string { return fmt.Sprintf("%x %d", e.GetLogId().GetKeyId(), e.GetLogIndex()) }

// hinted reports whether a signature line has the hint of the entry's log: the
// first bytes of its ID (C2SP signed-note; of ECDSA keys, as all are here).
func (e logged) hinted(line string) bool {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line[strings.LastIndex(line, " ")+1:]))
	return err == nil && len(raw) > 4 && string(raw[:4]) == string(e.GetLogId().GetKeyId()[:4])
}
