// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// log performs step 6: logs of the trusted root contain the bundle's entry. Entries of
// other logs are ignored; entries of the trusted root's logs must verify.
//
// "To verify an entry, a client: 1. verifies the signature of the checkpoint
// against the server's public key and the expected server name … 2. verifies the
// inclusion proof … 3. compares the leaf hash with the provided artifact" (Rekor
// v2 specification §7.2). "Verifiers MUST ensure that multiple entries in the
// same log do not both count towards the threshold." (client specification §4.6)
func (c *claim) log() error {
	var logs []party
	for i := range c.entries {
		e := &c.entries[i]
		if err := c.matchEntry(e); err != nil {
			return err
		}
		if err := c.included(e); err != nil {
			return err
		}
		witnesses, err := c.witnessed(e)
		if err != nil {
			return err
		}
		verified := *e.Entry
		if !e.promised {
			verified.IntegratedTime = time.Time{} // unauthenticated
		}
		c.result.Entries = append(c.result.Entries, Entry{verified, e.log.Log, witnesses})
		logs = append(logs, logParty(e.log.Log))
	}
	found, want := distinct(logs), threshold(c.required.LogThreshold)
	switch {
	case found >= want, c.required.NoLogUnsafe:
		return nil
	case len(c.bundle.Entries) == 0:
		return &Error{Code: LogMissing}
	case found == 0 && c.foreign():
		return refuse(OtherInstance, "the trusted root does not know the log")
	case found == 0:
		return refuse(LogUnknown, "log ID %x is not in the trusted root", c.bundle.Entries[0].LogID)
	}
	return differ(ThresholdLogs, fmt.Sprintf("%d distinct logs", want), fmt.Sprint(found))
}

// included verifies that a log of the root has the entry. The signed entry
// timestamp alone is enough for bundles of v0.1, "which may contain an inclusion
// promise and not an inclusion proof. In this case, the client MUST validate the
// promise." (sigstore_bundle.proto) A proof must always verify.
func (c *claim) included(e *entry) error {
	switch {
	case e.Proof == nil && e.promised && c.bundle.Version <= bundle.V01:
		return nil
	case e.Proof == nil:
		return refuse(LogProofInvalid, "no inclusion proof")
	case len(e.Proof.Checkpoint) > 0:
		return c.proved(e)
	case !e.promised || c.bundle.Version > bundle.V01:
		return refuse(CheckpointInvalid, "no checkpoint")
	}
	if err := e.Proof.Verify(e.Proof.Root, tile.LeafHash(e.CanonicalizedBody)); err != nil {
		return refuse(LogProofInvalid, "%w", err)
	}
	return nil
}

// proved verifies proof and checkpoint.
func (c *claim) proved(e *entry) error {
	if e.v2 && e.LogIndex != e.Proof.Index {
		return differ(LogProofInvalid, fmt.Sprintf("entry %d", e.LogIndex), fmt.Sprintf("entry %d", e.Proof.Index))
	}
	head, err := c.checkpoint(e)
	if err != nil {
		return err
	}
	if head.Size != e.Proof.Size {
		return differ(CheckpointInvalid, fmt.Sprintf("a tree of %d entries", e.Proof.Size), fmt.Sprint(head.Size))
	}
	if head.Root != e.Proof.Root {
		return differ(CheckpointInvalid, "root "+e.Proof.Root.String(), head.Root.String())
	}
	if err := e.Proof.Verify(head.Root, tile.LeafHash(e.CanonicalizedBody)); err != nil {
		return refuse(LogProofInvalid, "%w", err)
	}
	return nil
}

// witnessed returns the witnesses that cosigned the entry's checkpoint. They must be
// a quorum of every witness policy that covers its log. An invalid cosignature is
// ignored, because anyone can add such a line.
func (c *claim) witnessed(e *entry) (names []string, err error) {
	for _, p := range c.required.WitnessPolicies {
		if !slices.ContainsFunc(e.log.names, p.Covers) {
			continue
		}
		var by []string
		met := p.Quorum.Met(func(k checkpoint.Key) bool {
			cosigned := e.cosigned(k)
			if cosigned {
				by = append(by, k.Name)
			}
			return cosigned
		})
		if !met {
			return nil, differ(ThresholdWitnesses, "cosigned by "+p.Quorum.String(), cmp.Or(strings.Join(by, ", "), "none of them"))
		}
		names = append(names, by...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (e *entry) cosigned(by checkpoint.Key) bool {
	verifier, err := by.Verifier()
	if err != nil || e.Proof == nil {
		return false
	}
	_, _, err = checkpoint.Open(e.Proof.Checkpoint, verifier)
	return err == nil
}

// checkpoint opens the checkpoint with the key of a log that was valid at the
// signature's times. If there is a signed entry timestamp, step 2 has selected the log.
func (c *claim) checkpoint(e *entry) (head checkpoint.Checkpoint, err error) {
	logs := e.logs
	if e.promised {
		logs = []*log{e.log}
	}
	for _, l := range logs {
		if at, ok := c.outside(l); ok && !e.promised {
			err = differ(LogUnknown, window(l.BaseURL, l.Validity), at)
			continue
		}
		var cause error
		if e.v2 {
			head, cause = l.openV2(e.Proof.Checkpoint)
		} else {
			head, cause = l.openV1(e.Proof.Checkpoint)
		}
		if cause == nil {
			e.log = l
			return head, nil
		}
		err = refuse(CheckpointInvalid, "%w", cause)
	}
	return checkpoint.Checkpoint{}, err
}

// outside returns a time of the signature at which the log's key was not valid, if any. A
// signature without trusted time may be of any time, so the log must have started and must
// not have an end.
func (c *claim) outside(l *log) (string, bool) {
	if len(c.result.Times) == 0 && (l.Validity.Start.IsZero() || !l.Validity.End.IsZero()) {
		return "no trusted time", true
	}
	for _, t := range c.result.Times {
		if !l.Validity.Contains(t.Time) {
			return stamp(t.Time), true
		}
	}
	return "", false
}

// openV2 opens a checkpoint of Rekor v2: origin and signature line must contain the host name
// of the log.
//
//	log2025-1.rekor.sigstore.dev
//	736
//	rs1YPY0ydAV0lxgfrq5pE4oRpUJwo3syeps5+eGUTDI=
//
//	— log2025-1.rekor.sigstore.dev 8w1amdbj1mjN…
func (l *log) openV2(envelope []byte) (checkpoint.Checkpoint, error) {
	origin, _, _ := strings.Cut(string(envelope[:min(len(envelope), 1<<10)]), "\n")
	i := slices.Index(l.names, origin)
	if i < 0 {
		return checkpoint.Checkpoint{}, fmt.Errorf("checkpoint of %.100q, want %s", origin, strings.Join(l.names, " or "))
	}
	head, _, err := checkpoint.Open(envelope, l.verifiers[i])
	return head, err
}

// openV1 opens a checkpoint of Rekor v1. Its origin is a host name chosen by the log and a tree
// ID, so the signer is found by the key hint.
//
//	rekor.sigstore.dev - 1193050959916656506
func (l *log) openV1(envelope []byte) (checkpoint.Checkpoint, error) {
	origin, _, _ := bytes.Cut(envelope[:min(len(envelope), 1<<10)], []byte("\n"))
	name, _, _ := strings.Cut(string(origin), " - ")
	if i := slices.Index(l.names, name); i >= 0 {
		head, _, err := checkpoint.Open(envelope, l.verifiers[i])
		return head, err
	}
	verifier, err := checkpoint.NewVerifier(name, l.Key)
	if err != nil {
		return checkpoint.Checkpoint{}, err
	}
	head, _, err := checkpoint.Open(envelope, verifier)
	return head, err
}

// matchEntry compares the entry with the bundle: digest, signature and key.
//
// "1. The signature from the parsed body is the same as the provided signature.
// 2. The key or certificate from the parsed body is the same as in the input
// certificate. 3. The “subject” of the parsed body matches the artifact." (client
// specification §4.4) For an envelope in Rekor v2, the third item is the digest of its
// pre-authentication encoding (Rekor v2 specification §6.1.4).
func (c *claim) matchEntry(e *entry) error {
	if e.Kind != e.body.Kind || e.Version != e.body.Version {
		return differ(LogEntryMismatch, e.Kind+" "+e.Version, e.body.Kind+" "+e.body.Version)
	}
	if len(e.body.Signatures) != 1 {
		return refuse(LogEntryMismatch, "entry with %d signatures, want 1", len(e.body.Signatures))
	}
	logged := e.body.Signatures[0]
	if !bytes.Equal(logged.Content, c.bundle.Signature()) {
		return refuse(LogEntryMismatch, "entry of another signature")
	}
	if err := c.matchVerifier(logged.Verifier); err != nil {
		return err
	}
	return c.matchContent(e.body)
}

// matchVerifier compares the certificate, byte for byte, or narrows the keys down to the
// logged one.
func (c *claim) matchVerifier(logged rekor.Verifier) error {
	if c.leaf != nil {
		if !bytes.Equal(logged.Certificate, c.leaf.Raw) {
			return refuse(LogEntryMismatch, "entry of another certificate")
		}
		return nil
	}
	if logged.PublicKey == nil {
		return refuse(LogEntryMismatch, "entry of a certificate, the bundle has a key")
	}
	for _, key := range c.keys {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err == nil && bytes.Equal(der, logged.PublicKey) {
			c.keys = []crypto.PublicKey{key}
			return nil
		}
	}
	found := "a key that cannot be read"
	if key, err := logged.Key(); err == nil {
		found = keyName(key)
	}
	return differ(KeyMismatch, c.required.names(), found)
}

// matchContent compares the signed content: the artifact or the envelope.
func (c *claim) matchContent(body rekor.Body) error {
	if body.Data.Hash != 0 {
		return c.matchData(body.Data)
	}
	if c.bundle.Envelope == nil {
		return refuse(LogEntryMismatch, "entry of an envelope, the bundle has a message signature")
	}
	payload := c.payload.of(body.PayloadHash.Hash, c.bundle.Envelope.Payload)
	if !bytes.Equal(payload, body.PayloadHash.Value) {
		return differ(LogEntryMismatch, digestName(body.PayloadHash.Hash, body.PayloadHash.Value), digestName(body.PayloadHash.Hash, payload))
	}
	return nil
}

// matchData compares the digest of a hashedrekord. If the bundle contains the same digest,
// the entry belongs to the bundle, and step 7 refuses the artifact.
func (c *claim) matchData(logged rekor.Digest) error {
	digest, err := c.signedDigest(logged.Hash)
	if refusal := new(Error); errors.As(err, &refusal) {
		c.changed = refusal // the artifact was given by a digest of another hash
		return nil
	}
	if err != nil {
		return err
	}
	if bytes.Equal(digest, logged.Value) {
		return nil
	}
	expected, found := digestName(logged.Hash, logged.Value), digestName(logged.Hash, digest)
	if m := c.bundle.Message; m != nil && (m.Digest == nil || bytes.Equal(m.Digest, logged.Value)) {
		c.changed = differ(ArtifactMismatch, expected, found)
		return nil
	}
	return differ(LogEntryMismatch, expected, found)
}

func digestName(hash crypto.Hash, digest []byte) string {
	return fmt.Sprintf("%s:%s", hashName(hash), hex.EncodeToString(digest))
}
