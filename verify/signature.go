// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"crypto"
	"errors"
	"slices"

	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// signature performs step 7: the key has signed the artifact or the envelope.
//
// "The Verifier MUST verify the provided signature for the constructed payload
// against the key in the leaf of the certificate chain." (client specification
// §4.5)
func (c *claim) signature() error {
	if c.changed != nil {
		return c.changed
	}
	if m := c.bundle.Message; m != nil && m.Hash != 0 {
		digest, err := c.artifactDigest(m.Hash)
		if err != nil {
			return err
		}
		if !bytes.Equal(digest, m.Digest) {
			return differ(ArtifactMismatch, digestName(m.Hash, m.Digest), digestName(m.Hash, digest))
		}
	}
	err := errors.New("no key")
	for _, key := range c.keys {
		algorithms, cause := c.algorithms(key)
		if cause != nil {
			err = cause
			continue
		}
		for _, alg := range algorithms {
			if err = c.verifySignature(alg, key); err == nil {
				c.result.Key, c.alg = key, alg
				return nil
			}
		}
	}
	if refusal := new(Error); errors.As(err, &refusal) || !errors.Is(err, sigalg.ErrSignature) {
		return err
	}
	return refuse(SignatureInvalid, "%w", err)
}

func (c *claim) verifySignature(alg sigalg.Algorithm, key crypto.PublicKey) error {
	if alg.Hash == 0 {
		return alg.Verify(key, c.bundle.Envelope.PAE(), c.bundle.Signature())
	}
	digest, err := c.signedDigest(alg.Hash)
	if err != nil {
		return err
	}
	if err := alg.VerifyDigest(key, digest, c.bundle.Signature()); err != nil {
		return err
	}
	if c.bundle.Message != nil {
		c.result.Hash, c.result.Digest = alg.Hash, digest
	}
	return nil
}

// algorithms returns the algorithms that a key of this type and size may have
// signed with. If a log verified the signature, only the log's algorithm counts.
// Otherwise these are the registry's for such a key: two encodings for RSA and for
// Ed25519, which can't be mistaken for each other. The bundle itself does not
// count, because anyone can write it.
func (c *claim) algorithms(key crypto.PublicKey) ([]sigalg.Algorithm, error) {
	logged := crypto.Hash(0)
	for i := range c.entries {
		body := c.entries[i].body
		if details := body.Signatures[0].Verifier.KeyDetails; details != "" {
			return named(details, key)
		}
		logged = max(logged, body.Data.Hash)
	}
	all, err := sigalg.AllForKey(key)
	if err != nil {
		return nil, refuse(SignatureInvalid, "%w", err)
	}
	if logged != 0 && !slices.ContainsFunc(all, func(a sigalg.Algorithm) bool { return a.Hash == logged }) {
		return older(key, logged)
	}
	if c.bundle.Message != nil { // pure Ed25519 can't be verified with a digest
		all = slices.DeleteFunc(all, func(a sigalg.Algorithm) bool { return a.Hash == 0 })
	}
	return all, nil
}

func named(details string, key crypto.PublicKey) ([]sigalg.Algorithm, error) {
	alg, err := sigalg.ByName(details)
	if err == nil {
		err = alg.CheckKey(key)
	}
	if err != nil {
		return nil, refuse(LogEntryMismatch, "%w", err)
	}
	return []sigalg.Algorithm{alg}, nil
}

// older returns the deprecated algorithm with which Rekor v1 logged a SHA-256
// digest signed by a larger key.
func older(key crypto.PublicKey, logged crypto.Hash) ([]sigalg.Algorithm, error) {
	for _, name := range []string{"PKIX_ECDSA_P384_SHA_256", "PKIX_ECDSA_P521_SHA_256"} {
		if alg, err := named(name, key); err == nil && alg[0].Hash == logged {
			return alg, nil
		}
	}
	return nil, refuse(LogEntryMismatch, "the log's %s fits no algorithm of the key", hashName(logged))
}

// messageHashes returns the hashes of the artifact that the steps need.
func (c *claim) messageHashes() []crypto.Hash {
	hashes := []crypto.Hash{}
	if c.bundle.Message.Hash != 0 {
		hashes = append(hashes, c.bundle.Message.Hash)
	}
	for i := range c.entries {
		if hash := c.entries[i].body.Data.Hash; hash != 0 {
			hashes = append(hashes, hash)
		}
	}
	for _, key := range c.keys {
		algorithms, _ := c.algorithms(key) // the signature step reports an invalid key
		for _, alg := range algorithms {
			hashes = append(hashes, alg.Hash)
		}
	}
	return hashes
}

// signedDigest returns the digest of the signed content.
func (c *claim) signedDigest(hash crypto.Hash) ([]byte, error) {
	if c.bundle.Message != nil {
		return c.artifactDigest(hash)
	}
	if sum, ok := c.signed[hash]; ok {
		return sum, nil
	}
	h := hash.New()
	dsse.WritePAE(h, c.bundle.Envelope.PayloadType, c.bundle.Envelope.Payload)
	c.signed.put(hash, h.Sum(nil))
	return c.signed[hash], nil
}
