// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// maxEnvelope bounds a signed checkpoint, in bytes. note.Open reads at most
	// 100 signature lines; a hundred ML-DSA-44 cosignatures fit.
	maxEnvelope = 512 << 10

	// maxText bounds the unsigned text, in bytes.
	maxText = 16 << 10
)

// A Checkpoint is a signed tree head: the text that a log signs
// (tlog-checkpoint, "Note text").
type Checkpoint struct {
	Origin     string    // names the log: non-empty, one line
	Size       uint64    // number of leaves
	Root       tlog.Hash // RFC 6962 root of the first Size leaves
	Extensions []string  // opaque lines, each non-empty
}

// ParseText parses the text of a checkpoint, without its signatures.
func ParseText(text string) (Checkpoint, error) {
	c, err := parseText(text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("parsing checkpoint: %w", err)
	}
	return c, nil
}

func parseText(text string) (Checkpoint, error) {
	if len(text) > maxText {
		return Checkpoint{}, fmt.Errorf("text is longer than %d bytes", maxText)
	}
	body, ok := strings.CutSuffix(text, "\n")
	if !ok {
		return Checkpoint{}, errors.New("text does not end in a newline")
	}
	lines := strings.Split(body, "\n")
	if len(lines) < 3 {
		return Checkpoint{}, fmt.Errorf("text has %d lines, want at least 3", len(lines))
	}
	for i, line := range lines {
		if line == "" {
			return Checkpoint{}, fmt.Errorf("line %d is empty", i+1)
		}
	}
	size, err := parseSize(lines[1])
	if err != nil {
		return Checkpoint{}, err
	}
	root, err := parseRoot(lines[2])
	if err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if len(lines) > 3 {
		c.Extensions = lines[3:]
	}
	return c, nil
}

// parseSize parses "the ASCII decimal representation of the number of leaves in
// the tree, with no leading zeroes".
func parseSize(line string) (uint64, error) {
	size, err := strconv.ParseUint(line, 10, 64)
	if err != nil || strconv.FormatUint(size, 10) != line {
		return 0, fmt.Errorf("tree size %.24q is not a canonical decimal number", line)
	}
	return size, nil
}

// parseRoot parses "the base64 encoding of the root of the RFC 6962 Merkle hash
// tree".
func parseRoot(line string) (tlog.Hash, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil || len(raw) != tlog.HashSize || strings.ContainsAny(line, "\r\n") {
		return tlog.Hash{}, errors.New("root hash is not the base64 of 32 bytes")
	}
	return tlog.Hash(raw), nil
}

// text returns the checkpoint in the form that [ParseText] reads.
func (c Checkpoint) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
	for _, line := range c.Extensions {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// Open parses a signed checkpoint and verifies the signatures of the given
// verifiers. At least one of them must have signed, and none of their
// signatures may be wrong. The note lists the verified signatures in Sigs and
// those of other keys in UnverifiedSigs. No two verifiers may share a name and
// key ID.
//
// Open does not check the origin. The caller must.
func Open(envelope []byte, verifiers ...note.Verifier) (Checkpoint, *note.Note, error) {
	if len(envelope) > maxEnvelope {
		return Checkpoint{}, nil, fmt.Errorf("opening checkpoint: envelope is longer than %d bytes", maxEnvelope)
	}
	n, err := note.Open(envelope, note.VerifierList(verifiers...))
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("opening checkpoint: %w", err)
	}
	// Package note also accepts base64 with nonzero padding bits. signed-note
	// requires "standard Base64 encoding", so that a signature has one spelling.
	for _, sig := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return Checkpoint{}, nil, fmt.Errorf("opening checkpoint: signature of %.100q: %w", sig.Name, err)
		}
	}
	c, err := ParseText(n.Text)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	return c, n, nil
}

// Sign signs c with every signer, in their order.
func Sign(c Checkpoint, signers ...note.Signer) ([]byte, error) {
	text := c.text()
	if _, err := ParseText(text); err != nil {
		return nil, fmt.Errorf("signing checkpoint: %w", err)
	}
	if len(signers) == 0 {
		return nil, errors.New("signing checkpoint: no signer")
	}
	envelope, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing checkpoint: %w", err)
	}
	return envelope, nil
}
