// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// matchEntry holds the entry to the bundle: digest, signature and key are each
// compared.
//
// "1. The signature from the parsed body is the same as the provided signature.
// 2. The key or certificate from the parsed body is the same as in the input
// certificate. 3. The “subject” of the parsed body matches the artifact." (client
// specification §4.4) For an envelope in Rekor v2 the last is the digest of its
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

// matchVerifier compares the certificate, byte for byte, or narrows the keys
// down to the logged one.
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

// matchContent compares what was signed: the artifact or the envelope.
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

// matchData compares the digest of a hashedrekord. Where the bundle states the
// same digest, entry and bundle agree and the artifact is another one, which
// step 7 refuses.
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
