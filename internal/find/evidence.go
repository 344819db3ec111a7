// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
)

// DetachedName is shown in place of the file of a bundle.
const DetachedName = "detached signature"

// maxBundles is the number of bundles that are tried for one artifact.
const maxBundles = 1000

// evidence returns the files of bundles that exist or should exist.
func (i Item) evidence() []string {
	if len(i.bundles) > 0 || i.path() == "" {
		return i.bundles
	}
	return Beside(i.path())
}

// A Source is a bundle with the place where it was found, or the error of reading it.
type Source struct {
	File      string
	Name      string // the file's, and which of it
	Bundle    *bundle.Bundle
	Err       error
	Elsewhere bool   // in a registry: file is no path
	Payload   []byte // what was signed in place of the artifact, and names it
}

// elsewhere is the remedy for a bundle that is not next to its artifact.
const elsewhere = "elsewhere"

// Evidence holds the bundles of an item.
type Evidence struct {
	Subject Subject // what they are about: the item's, or its digest
	Sources []Source

	// More returns what else is attached to an image, which takes longer to see and is
	// looked at where Sources are not enough; nil: nothing is.
	More func(context.Context) ([]Source, error)
}

// Evidence reads the bundles of the item. There are none, and no error, only when that was
// seen.
func (i Item) Evidence(ctx context.Context) (Evidence, error) {
	e := Evidence{Subject: i.Subject, Sources: i.held}
	if i.detached != nil {
		e.Sources = []Source{{File: DetachedName, Name: DetachedName, Bundle: i.detached}}
		return e, nil
	}
	if image, ok := i.Subject.(image); ok {
		return image.registry.Look(ctx, image.Artifact)
	}
	files := i.evidence()
	for _, file := range files {
		e.Sources = append(e.Sources, readSources(file, len(i.bundles) > 0)...)
	}
	if len(e.Sources) > maxBundles {
		return e, fault.Unreadable(files[0], fmt.Errorf("more than %d bundles", maxBundles))
	}
	return e, nil
}

// Sums reads the item, and returns its SHA-256 and the digests by which lists and manifests
// claim it. A file that was named by naming a list must be the one that is listed.
func (i Item) Sums(ctx context.Context, stdin io.Reader) (digests, error) {
	if i.Err != nil {
		return nil, i.Err
	}
	l, _ := i.Subject.(listed)
	want := l.claim
	hashes := []crypto.Hash{want.Hash}
	for _, c := range i.Claims {
		hashes = append(hashes, c.Hash)
	}
	sums, err := i.Subject.sums(ctx, stdin, hashes...)
	if err == nil && want.Digest != nil && !bytes.Equal(sums[want.Hash], want.Digest) {
		err = Mismatch(i.Name(), DigestText(want.Hash, want.Digest)+", by the list", DigestText(want.Hash, sums[want.Hash]))
	}
	return sums, err
}

// CheckListed refuses a file that is not the one that is listed, if it was named by naming a
// list.
func (i Item) CheckListed(ctx context.Context) (err error) {
	if _, ok := i.Subject.(listed); ok {
		_, err = i.Sums(ctx, nil)
	}
	return err
}

// readSources reads a file of one bundle, or of one a line.
func readSources(file string, named bool) []Source {
	raw, err := readEvidence(file, named)
	if p := new(fault.Problem); errors.As(err, &p) {
		switch {
		case errors.Is(err, fs.ErrNotExist) && named:
			p = p.With(elsewhere)
		case !errors.Is(err, fs.ErrNotExist):
			p = fault.CouldNotLook(file, p.Err)
		}
		return []Source{{File: file, Name: file, Err: p}}
	}
	return parseSources(file, raw)
}

func parseSources(file string, raw []byte) []Source {
	if !strings.HasSuffix(file, ".jsonl") {
		return []Source{parseSource(file, raw)}
	}
	var all []Source
	for line := range bytes.Lines(raw) {
		for _, value := range values(line) {
			if len(all) > maxBundles {
				return all
			}
			p := parseSource(file, value)
			p.Name = fmt.Sprintf("%s:%d", file, len(all)+1)
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return []Source{{File: file, Name: file, Err: fault.Unreadable(file, errors.New("no bundle in it"))}}
	}
	return all
}

// values splits a line into its JSON values, which cat leaves on one line where
// files have no newline at their end, up to one more than are tried. What is no
// JSON stays as it is.
func values(line []byte) [][]byte {
	var all [][]byte
	for d := jsontext.NewDecoder(bytes.NewBuffer(line), jsontext.AllowDuplicateNames(true)); len(all) <= maxBundles; {
		value, err := d.ReadValue()
		switch {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			return [][]byte{line}
		}
		end := int(d.InputOffset())
		all = append(all, line[end-len(value):end]) // and not the decoder's own
	}
	return all
}

func readEvidence(file string, named bool) ([]byte, error) {
	if !named {
		if err := checkRegular(file); err != nil {
			return nil, fault.Unreadable(file, err)
		}
	}
	return ReadFile(file, bundle.MaxSize)
}

func parseSource(file string, raw []byte) Source {
	b, err := bundle.Parse(raw)
	if err != nil {
		return Source{File: file, Name: file, Err: &fault.Problem{Exit: fault.ExitUsage, Subject: file, Code: "bundle-malformed", Err: Encoding(raw, err)}}
	}
	return Source{File: file, Name: file, Bundle: b}
}

// ReadBundles reads a file of bundles, all of which must be good. Errors: *[fault.Problem].
func ReadBundles(file string) ([]*bundle.Bundle, error) {
	var all []*bundle.Bundle
	for _, p := range readSources(file, true) {
		if p.Err != nil {
			return nil, p.Err
		}
		all = append(all, p.Bundle)
	}
	return all, nil
}

// Unsigned returns the problem of an artifact without a bundle in all places that were
// searched, among them the named store, unless its name is empty.
func (i Item) Unsigned(store string) error {
	p := &fault.Problem{Exit: fault.ExitRefused, Subject: i.Name(), Code: "unsigned"}
	path, missing := i.path(), "there is no "+i.path()+Suffix
	artifact, notNamed := artifactOf(path), i.notNamed()
	_, isListed := i.Subject.(listed)
	switch {
	case InRegistry(i.Subject):
		p.Err = errors.New("the registry has the image, and no bundle on it")
	case path == "" && store == "":
		return &fault.Problem{Exit: fault.ExitUsage, Subject: i.Name(), Code: "usage", Err: errors.New("needs --bundle")}
	case path == "":
		p.Err = fmt.Errorf("%s has no bundle of it", store)
		return p
	case artifact != path:
		p.Err, p.Remedy, p.Names = errors.New(missing), "artifact", []string{artifact}
	case i.unread != "":
		p = fault.CouldNotLook(path, fmt.Errorf("%s, and %s, which may name it, was not read", missing, i.unread))
	case isListed && notNamed == "":
		p.Err, p.Remedy = errors.New("neither the file nor the list that it stands in has a bundle"), elsewhere
	case notNamed != "":
		p.Err, p.Remedy = fmt.Errorf("%s, and %s", missing, notNamed), elsewhere
	default:
		p.Err, p.Remedy = errors.New(missing), elsewhere
	}
	if store != "" {
		p.Err = fmt.Errorf("%w, and %s has none of it", p.Err, store)
	}
	return p
}
