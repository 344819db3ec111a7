package verify

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
)

// Artifact is what a signature is meant to be of: bytes to be read, or a digest
// of them. The zero Artifact is none.
type Artifact struct {
	reader io.Reader
	hash   crypto.Hash
	digest []byte
	sums   digests // every digest that a signature may be of
}

// FromReader is the artifact that r yields. It is read once, as a stream, so its
// length costs no memory; the artifact serves one Verify.
func FromReader(r io.Reader) Artifact { return Artifact{reader: r} }

// FromDigest is the artifact with this SHA-256, SHA-384 or SHA-512. Verifying
// then needs no artifact, but trusts the caller to have hashed it; signatures
// made with another hash are refused.
func FromDigest(hash crypto.Hash, digest []byte) Artifact {
	return Artifact{hash: hash, digest: bytes.Clone(digest)}
}

// ReadArtifact is the artifact that r yields, read to its end at once. It serves
// any number of Verify, at the price of every hash.
func ReadArtifact(r io.Reader) (Artifact, error) {
	sums, err := FromReader(r).digests([]crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512})
	return Artifact{sums: sums}, err
}

// digests are the digests of one thing, made once each.
type digests map[crypto.Hash][]byte

// of gives the digest of content, computing it the first time.
func (d *digests) of(hash crypto.Hash, content []byte) []byte {
	if sum, ok := (*d)[hash]; ok {
		return sum
	}
	h := hash.New()
	h.Write(content)
	d.put(hash, h.Sum(nil))
	return (*d)[hash]
}

func (d *digests) put(hash crypto.Hash, sum []byte) {
	if *d == nil {
		*d = digests{}
	}
	(*d)[hash] = sum
}

// hashName is the name of a hash in statements, and empty for those that
// nothing here is signed with.
func hashName(hash crypto.Hash) string {
	switch hash {
	case crypto.SHA256:
		return "sha256"
	case crypto.SHA384:
		return "sha384"
	case crypto.SHA512:
		return "sha512"
	}
	return ""
}

// digests reads the artifact and computes what is wanted of it. Of an artifact
// that was given as a digest there is that one.
func (a Artifact) digests(wanted []crypto.Hash) (digests, error) {
	if a.sums != nil {
		return a.sums, nil
	}
	if a.reader == nil {
		if hashName(a.hash) == "" || len(a.digest) != a.hash.Size() {
			return nil, errors.New("artifact: neither bytes nor a SHA-256, SHA-384 or SHA-512 digest")
		}
		return digests{a.hash: a.digest}, nil
	}
	sort.Slice(wanted, func(a, b int) bool { return wanted[a] < wanted[b] })
	wanted = slices.Compact(wanted)
	sums := make([]io.Writer, len(wanted))
	for i, hash := range wanted {
		sums[i] = hash.New()
	}
	if _, err := io.Copy(io.MultiWriter(sums...), a.reader); err != nil {
		return nil, fmt.Errorf("reading artifact: %w", err)
	}
	out := digests{}
	for i, hash := range wanted {
		out[hash] = sums[i].(interface{ Sum([]byte) []byte }).Sum(nil)
	}
	return out, nil
}

// artifactDigest gives the artifact's digest, reading it the first time.
func (c *claim) artifactDigest(hash crypto.Hash) ([]byte, error) {
	if c.digests == nil {
		var err error
		if c.digests, err = c.artifact.digests(c.messageHashes()); err != nil {
			return nil, err
		}
	}
	sum, ok := c.digests[hash]
	if !ok {
		return nil, differ(DigestAlgorithmMismatch, hashName(hash), hashName(c.artifact.hash))
	}
	return sum, nil
}
