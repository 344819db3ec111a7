// SPDX-License-Identifier: Apache-2.0

package find

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// Claimed returns the artifact that a bundle names: the first, if several.
func Claimed(b *bundle.Bundle) (verify.Artifact, error) {
	if b.Envelope != nil {
		statement, err := intoto.Parse(b.Envelope.Payload)
		if err != nil {
			return verify.Artifact{}, err
		}
		return SubjectOf(statement)
	}
	if b.Message.Hash == crypto.Hash(0) {
		return verify.Artifact{}, errors.New("the bundle does not say of which artifact it is")
	}
	return verify.FromDigest(b.Message.Hash, b.Message.Digest), nil
}

// SubjectOf returns one subject of a statement as an artifact. It always chooses the
// same one, so that several bundles of one artifact agree.
func SubjectOf(s intoto.Statement) (verify.Artifact, error) {
	for _, subject := range s.Subject {
		for _, by := range []struct {
			algorithm string
			hash      crypto.Hash
		}{{"sha256", crypto.SHA256}, {"sha384", crypto.SHA384}, {"sha512", crypto.SHA512}} {
			if digest, err := hex.DecodeString(subject.Digest[by.algorithm]); err == nil && len(digest) == by.hash.Size() {
				return verify.FromDigest(by.hash, digest), nil
			}
		}
	}
	return verify.Artifact{}, errors.New("no subject has a SHA-256, SHA-384 or SHA-512 digest")
}

// beside reports whether a bundle was found next to the file, rather than given.
func (i Item) beside(p Source) bool {
	return i.path() != "" && len(i.bundles) == 0 && i.detached == nil && !p.Elsewhere
}

// calls reports whether a statement about several artifacts gives this name to the
// verified artifact and to no other. Otherwise any file that a manifest names could
// replace any other, with a copy of the manifest beside it.
func calls(r *verify.Result, name string) bool {
	if r.Statement == nil || len(r.Statement.Subject) == 1 {
		return true
	}
	called := false
	for _, s := range r.Statement.Subject {
		if path.Base(s.Name) != name {
			continue
		}
		algorithm, digest, _ := strings.Cut(DigestText(r.Hash, r.Digest), ":")
		if s.Digest[algorithm] != digest {
			return false
		}
		called = true
	}
	return called
}

// CheckName returns a check that refuses a file under a name that its statement does
// not give it. It passes every result of a bundle that was not found beside the file.
func (i Item) CheckName(p Source) func(*verify.Result) error {
	return func(r *verify.Result) error {
		name := filepath.Base(i.path())
		if !i.beside(p) || calls(r, name) {
			return nil
		}
		return &verify.Error{
			Step: verify.StepStatement, Code: verify.SubjectMismatch,
			Expected: "a statement that gives " + name + " this digest", Found: fmt.Sprintf("one on %d artifacts, which does not", len(r.Statement.Subject)),
		}
	}
}
