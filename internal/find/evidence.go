// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
)

// DetachedName stands where the file of a bundle would.
const DetachedName = "detached signature"

// maxBundles is how many bundles are tried for one artifact.
const maxBundles = 1000

// evidence returns the files of bundles that exist or should exist.
func (t Target) evidence() []string {
	if len(t.Bundles) > 0 {
		return t.Bundles
	}
	if t.path == "" {
		return nil
	}
	return Beside(t.path)
}

// Source is a bundle and where it was found, or why it can't be read.
type Source struct {
	File      string
	Name      string // the file's, and which of it
	Bundle    *bundle.Bundle
	Err       error
	Elsewhere bool   // in a registry: file is no path
	Payload   []byte // what was signed in place of the artifact, and names it
}

// elsewhere is the remedy where a bundle is not beside its artifact.
const elsewhere = "elsewhere"

// Sources reads the artifact's bundles. There are none, and no error, only when
// that was seen.
func (t Target) Sources() ([]Source, error) {
	if t.given != nil {
		return []Source{{File: DetachedName, Name: DetachedName, Bundle: t.given}}, nil
	}
	if t.registry != nil || t.held != nil {
		return t.held, nil
	}
	files := t.evidence()
	var all []Source
	for _, file := range files {
		all = append(all, readPieces(file, len(t.Bundles) > 0)...)
	}
	if len(all) > maxBundles {
		return nil, fault.Unreadable(files[0], fmt.Errorf("more than %d bundles", maxBundles))
	}
	return all, nil
}

// readPieces reads a file of one bundle, or of one a line.
func readPieces(file string, named bool) []Source {
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
	return parsePieces(file, raw)
}

func parsePieces(file string, raw []byte) []Source {
	if !strings.HasSuffix(file, ".jsonl") {
		return []Source{parsePiece(file, raw)}
	}
	var all []Source
	for line := range bytes.Lines(raw) {
		for _, value := range values(line) {
			if len(all) > maxBundles {
				return all
			}
			p := parsePiece(file, value)
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

func parsePiece(file string, raw []byte) Source {
	b, err := bundle.Parse(raw)
	if err != nil {
		return Source{File: file, Name: file, Err: &fault.Problem{Exit: fault.ExitUsage, Subject: file, Code: "bundle-malformed", Err: Encoding(raw, err)}}
	}
	return Source{File: file, Name: file, Bundle: b}
}

// ReadBundles reads a file of bundles, all of which must be good. Errors: *[fault.Problem].
func ReadBundles(file string) ([]*bundle.Bundle, error) {
	var all []*bundle.Bundle
	for _, p := range readPieces(file, true) {
		if p.Err != nil {
			return nil, p.Err
		}
		all = append(all, p.Bundle)
	}
	return all, nil
}

// Unsigned returns the problem of an artifact without a bundle in all places that were
// searched, among them the named store, unless its name is empty.
func (t Target) Unsigned(store string) error {
	p := &fault.Problem{Exit: fault.ExitRefused, Subject: t.Name, Code: "unsigned"}
	artifact := artifactOf(t.path)
	switch {
	case t.registry != nil:
		p.Err = errors.New("the registry has the image, and no bundle on it")
	case t.path == "" && store == "":
		return &fault.Problem{Exit: fault.ExitUsage, Subject: t.Name, Code: "usage", Err: errors.New("needs --bundle")}
	case t.path == "":
		p.Err = fmt.Errorf("%s has no bundle of it", store)
		return p
	case artifact != t.path:
		p.Err, p.Remedy, p.Names = fmt.Errorf("there is no %s%s", t.path, Suffix), "artifact", []string{artifact}
	case t.unread != "":
		p = fault.CouldNotLook(t.Name, fmt.Errorf("there is no %s%s, and %s, which may name it, was not read", t.path, Suffix, t.unread))
	case t.listed.Digest != nil && t.notNamed() == "":
		p.Err, p.Remedy = errors.New("neither the file nor the list that it stands in has a bundle"), elsewhere
	case t.notNamed() != "":
		p.Err, p.Remedy = fmt.Errorf("there is no %s%s, and %s", t.path, Suffix, t.notNamed()), elsewhere
	default:
		p.Err, p.Remedy = fmt.Errorf("there is no %s%s", t.path, Suffix), elsewhere
	}
	if store != "" {
		p.Err = fmt.Errorf("%w, and %s has none of it", p.Err, store)
	}
	return p
}
