// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// statement performs step 8: the attestation is about the artifact, and the requirements
// allow its type.
//
// "there exists at least one (alg, value) in s.digest where alg is in
// acceptableDigestAlgorithms AND hash(alg, artifactToVerify) == hexDecode(value)"
// (in-toto attestation framework, docs/validation.md)
func (c *claim) statement() error {
	envelope := c.bundle.Envelope
	if envelope == nil {
		if allowed := c.required.PredicateTypes; len(allowed) > 0 {
			return differ(PredicateTypeMismatch, strings.Join(allowed, " or "), "a signature that states nothing")
		}
		return nil
	}
	if envelope.PayloadType != dsse.PayloadTypeInToto {
		return differ(StatementInvalid, dsse.PayloadTypeInToto, envelope.PayloadType)
	}
	s, err := intoto.Parse(envelope.Payload)
	if err != nil {
		return refuse(StatementInvalid, "%w", err)
	}
	if allowed := c.required.PredicateTypes; len(allowed) > 0 && !slices.Contains(allowed, s.PredicateType) {
		return differ(PredicateTypeMismatch, strings.Join(allowed, " or "), s.PredicateType)
	}
	c.result.Statement = &s
	return c.subject(s)
}

// subject finds the artifact among the statement's subjects, by every hash that
// they use.
func (c *claim) subject(s intoto.Statement) error {
	hashes := subjectHashes(s)
	if len(hashes) == 0 {
		return refuse(SubjectMismatch, "no subject has a SHA-256, SHA-384 or SHA-512 digest")
	}
	sums, err := c.artifact.digests(hashes)
	if err != nil {
		return err
	}
	var found []string
	for _, hash := range hashes {
		sum, ok := sums[hash]
		if !ok {
			continue
		}
		if s.HasSubject(hashName(hash), sum) {
			c.result.Hash, c.result.Digest = hash, sum
			return nil
		}
		found = append(found, digestName(hash, sum))
	}
	if len(found) == 0 {
		return differ(DigestAlgorithmMismatch, hashName(hashes[0]), hashName(c.artifact.hash))
	}
	return differ(SubjectMismatch, subjectNames(s), strings.Join(found, " "))
}

func subjectHashes(s intoto.Statement) []crypto.Hash {
	var hashes []crypto.Hash
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if slices.ContainsFunc(s.Subject, func(sub intoto.Subject) bool { return sub.Digest[hashName(hash)] != "" }) {
			hashes = append(hashes, hash)
		}
	}
	return hashes
}

// subjectNames returns the names of the first subjects.
func subjectNames(s intoto.Statement) string {
	var names []string
	for _, subject := range s.Subject[:min(len(s.Subject), 3)] {
		for _, algorithm := range []string{"sha256", "sha384", "sha512"} {
			if digest := subject.Digest[algorithm]; digest != "" {
				names = append(names, algorithm+":"+digest)
				break
			}
		}
	}
	if len(s.Subject) > 3 {
		names = append(names, "…")
	}
	return strings.Join(names, " or ")
}
