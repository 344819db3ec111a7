// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// A manifest is a bundle that stands in a directory beside no artifact of its own,
// and whose statement names files of the directory by path and digest.
//
//	{"_type":"https://in-toto.io/Statement/v1",
//	 "subject":[{"name":"bin/tool","digest":{"sha256":"5891b5…"}},
//	            {"name":"registry.example.com/app@sha256:c605…","digest":{"sha256":"c605…"}}],…}

// sharedBy returns the bundles that sign several artifacts by name.
func sharedBy(files []string) *Item {
	return &Item{Subject: claimed{Digest{Artifact: strings.Join(files, ", ")}}, bundles: files}
}

// maxManifest is how many bytes a manifest may have, and maxManifests how many those of
// a directory may have together. A statement of 10,000 subjects has about 2 MB.
const (
	maxManifest  = 32 << 20
	maxManifests = bundle.MaxSize
)

// A manifestBudget is the remaining number and size of a directory's manifests and lists.
type manifestBudget struct {
	bytes   int64
	bundles int
}

// tooMany returns the problem for a list or manifest beyond the budget.
func tooMany(path string) error {
	return fault.Unreadable(path, fmt.Errorf("the manifests and lists of a directory have more than %d bytes together, or %d bundles", int64(maxManifests), maxBundles))
}

// errStatement: what a bundle names is not known, as its statement is malformed.
var errStatement = errors.New("statement can't be read")

// readManifest adds the manifest at path, each of its bundles for itself: one that is
// refused does no harm beside one that meets the policy. A bundle that is no manifest is
// left to the artifact that it lies beside.
func (c *coverage) readManifest(dir, path string, here *folder, budget *manifestBudget) {
	sources, err := readCandidate(path)
	key := c.key(path)
	switch {
	case err != nil && fault.Of(err).Exit == fault.ExitUndecided:
		here.unseen = err
		return
	case err != nil && besideOf(path) == "":
		here.manifests[key], here.unread = err, path
		return
	}
	var named [][]Claim
	for _, p := range sources {
		files, err := p.filesNamed()
		if errors.Is(err, errStatement) {
			here.unread = path
		} else if err != nil {
			here.manifests[key] = &fault.Problem{Exit: fault.ExitUsage, Subject: path, Code: "manifest-malformed", Err: err}
		}
		named = append(named, files)
		if len(files) > 0 {
			budget.bytes -= int64(len(p.Bundle.Envelope.Payload))
			budget.bundles--
		}
	}
	if budget.bundles < 0 || budget.bytes < 0 {
		here.manifests[key] = tooMany(path)
		here.unseen = here.manifests[key]
		return
	}
	for i, files := range named {
		if len(files) == 0 {
			continue
		}
		if _, malformed := here.manifests[key]; !malformed {
			here.manifests[key] = nil
		}
		by := &Item{Subject: claimed{Digest{Artifact: path}}, held: []Source{sources[i]}}
		for _, line := range files {
			line.By, line.Malformed = by, here.manifests[key] != nil
			c.mention(dir, line)
		}
	}
	if _, ok := here.manifests[key]; ok {
		here.names = append(here.names, path)
	}
}

// envelopeMember occurs in every bundle with a statement.
const envelopeMember = "dsseEnvelope"

// isPlainSignature reports whether the file at path is a bundle without a statement, as
// most are: such a bundle is no manifest. There may be ten thousand, for which raw is the
// space to read into. It is false for what can't be read.
func isPlainSignature(path string, raw *bytes.Buffer) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	raw.Reset()
	read, err := raw.ReadFrom(io.LimitReader(f, maxManifest+1))
	return err == nil && read <= maxManifest && !bytes.Contains(raw.Bytes(), []byte(envelopeMember))
}

// readCandidate returns the bundles of a file that may be manifests: those with a
// statement. An error is a file that could not be looked at, or is too long for one.
func readCandidate(path string) ([]Source, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular():
		return nil, nil
	case err != nil:
		return nil, fault.CouldNotLook(path, err)
	case info.Size() > maxManifest:
		return nil, fault.Unreadable(path, fmt.Errorf("more than %d bytes, the longest that a manifest may be", maxManifest))
	}
	raw, err := ReadFile(path, maxManifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fault.CouldNotLook(path, fault.Of(err).Err)
	case !bytes.Contains(raw, []byte(envelopeMember)):
		return nil, nil
	}
	return slices.DeleteFunc(parseSources(path, raw), func(p Source) bool {
		return p.Err != nil || p.Bundle.Envelope == nil || p.Bundle.Envelope.PayloadType != dsse.PayloadTypeInToto
	}), nil
}

// besideOf returns the file that a bundle lies beside; empty: there is none.
func besideOf(path string) string {
	artifact := artifactOf(path)
	if info, err := os.Stat(artifact); err != nil || info.IsDir() {
		return ""
	}
	return artifact
}

// filesNamed returns the files that the statement of a bundle names, as far as they are
// well-formed, if the bundle is a manifest and not one of the file beside it.
// Images are in their registries.
func (p Source) filesNamed() ([]Claim, error) {
	s, err := intoto.Parse(p.Bundle.Envelope.Payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStatement, err)
	}
	beside := besideOf(p.File)
	if beside != "" && isOf(s, beside) {
		return nil, nil
	}
	var all []Claim
	var malformed error
	seen := map[string]bool{}
	for _, subject := range s.Subject {
		name := subject.Name
		if strings.HasSuffix(name, "@sha256:"+subject.Digest["sha256"]) {
			continue
		}
		digest, err := hex.DecodeString(subject.Digest["sha256"])
		switch {
		case !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) != name:
			malformed = fmt.Errorf("%.100q is no path below its directory", name)
			continue
		case err != nil || len(digest) != sha256.Size:
			malformed = fmt.Errorf("%.100q has no SHA-256", name)
			continue
		case seen[name]:
			malformed = fmt.Errorf("it names %.100q twice", name)
		}
		seen[name] = true
		all = append(all, Claim{Hash: crypto.SHA256, Digest: digest, name: filepath.FromSlash(name)})
	}
	if len(all) == 0 && beside != "" {
		return nil, nil
	}
	return all, malformed
}

// isOf reports whether a statement is about the file that its bundle lies beside, rather
// than about a directory. What 'sign --manifest' makes is about the directory, unless it
// names that file alone. An attestation is about the file if it names it; or, where the
// files that it names by paths are not there, if it names it by another path, or is about
// one file of this content, which has been renamed.
func isOf(s intoto.Statement, artifact string) bool {
	name, one := filepath.Base(artifact), len(s.Subject) == 1
	if s.PredicateType == intoto.TypeSigned {
		return one && s.Subject[0].Name == name
	}
	there, called := false, false
	for _, r := range s.Subject {
		if r.Name == name {
			return true
		}
		called = called || path.Base(r.Name) == name
		there = there || (!one || strings.Contains(r.Name, "/")) && stands(filepath.Dir(artifact), r.Name)
	}
	if there || called || !one {
		return !there && called // otherwise an added file could take over the bundle
	}
	sums, err := file{artifact, true}.sums(context.Background(), nil)
	return err == nil && s.Subject[0].Digest["sha256"] == hex.EncodeToString(sums[crypto.SHA256])
}

// stands reports whether a file exists below dir at the path that a statement names.
func stands(dir, name string) bool {
	local, err := filepath.Localize(name)
	if err != nil {
		return false
	}
	_, err = os.Lstat(filepath.Join(dir, local))
	return err == nil
}
