// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync/atomic"
)

// An Artifact is the signed artifact: bytes to be read, or a digest of them. The zero
// Artifact is invalid.
type Artifact struct {
	stream *stream
	hash   crypto.Hash
	digest []byte
	sums   digests // digests with every hash that a signature may use
}

// ErrArtifactRead reports that an earlier verification has consumed the artifact's reader.
var ErrArtifactRead = errors.New("its reader has been read before; verify.ReadArtifact returns an artifact for several verifications")

// A stream is a reader that yields an artifact once. Copies of an Artifact share it.
type stream struct {
	io.Reader
	used atomic.Bool
}

// FromReader returns the artifact that r yields. A verification reads it once, as a stream,
// so memory use does not depend on its length. A second verification fails with
// [ErrArtifactRead], as does one of a file or another io.Seeker positioned at its end.
func FromReader(r io.Reader) Artifact { return Artifact{stream: &stream{Reader: r}} }

// copyTo writes the artifact to w.
func (s *stream) copyTo(w io.Writer) error {
	if s.Reader == nil {
		return errors.New("reading artifact: no reader")
	}
	if s.used.Swap(true) {
		return fmt.Errorf("reading artifact: %w", ErrArtifactRead)
	}
	n, err := io.Copy(w, s.Reader)
	if err != nil {
		return fmt.Errorf("reading artifact: %w", err)
	}
	if seeker, ok := s.Reader.(io.Seeker); ok && n == 0 {
		if at, err := seeker.Seek(0, io.SeekCurrent); err == nil && at > 0 {
			return fmt.Errorf("reading artifact: %w", ErrArtifactRead)
		}
	}
	return nil
}

// FromDigest returns the artifact with this SHA-256, SHA-384 or SHA-512. Verifying
// then needs no artifact, but trusts the caller to have hashed it; signatures
// made with another hash are refused.
func FromDigest(hash crypto.Hash, digest []byte) Artifact {
	return Artifact{hash: hash, digest: bytes.Clone(digest)}
}

// ReadArtifact reads r to EOF and returns an artifact that can be verified any
// number of times. It computes all supported digests.
func ReadArtifact(r io.Reader) (Artifact, error) { return FromReader(r).Hashed() }

// Hashed returns an artifact that can be verified any number of times. It reads an
// artifact of [FromReader] to EOF, as [ReadArtifact] does, and returns any other as
// it is.
func (a Artifact) Hashed() (Artifact, error) {
	if a.stream == nil {
		return a, nil
	}
	sums, err := a.digests([]crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512})
	return Artifact{sums: sums}, err
}

// digests holds the digests of one content, each computed once.
type digests map[crypto.Hash][]byte

// of returns the digest of content, which it computes once.
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

// hashName returns the name of a hash in statements, or "" for a hash that is not
// supported.
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

// digests reads the artifact and computes the wanted digests. For an artifact given as a
// digest, it returns only that one.
func (a Artifact) digests(wanted []crypto.Hash) (digests, error) {
	if a.sums != nil {
		return a.sums, nil
	}
	if a.stream == nil {
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
	if err := a.stream.copyTo(io.MultiWriter(sums...)); err != nil {
		return nil, err
	}
	out := digests{}
	for i, hash := range wanted {
		out[hash] = sums[i].(interface{ Sum([]byte) []byte }).Sum(nil)
	}
	return out, nil
}

// artifactDigest returns the artifact's digest. The first call reads the artifact.
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
