package verdict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/bundle"
)

// detached stands where the file of a bundle would.
const detached = "detached signature"

// maxBundles is how many bundles are tried for one artifact.
const maxBundles = 1000

// evidence are the files with bundles that there are, or should be.
func (t Target) evidence() []string {
	if len(t.bundles) > 0 {
		return t.bundles
	}
	if t.path == "" {
		return nil
	}
	return Beside(t.path)
}

// piece is a bundle and where it was found, or why it can't be read.
type piece struct {
	file      string
	name      string // the file's, and which of it
	bundle    *bundle.Bundle
	err       *Problem
	elsewhere bool   // in a registry: file is no path
	payload   []byte // what was signed in place of the artifact, and names it
}

// elsewhere is what to try where a bundle is not beside its artifact.
const elsewhere = "--bundle FILE, if the bundle is elsewhere"

// pieces reads the artifact's bundles. There are none, and no problem, only when
// that was seen.
func (t Target) pieces() ([]piece, *Problem) {
	if t.given != nil {
		return []piece{{file: detached, name: detached, bundle: t.given}}, nil
	}
	if t.registry != nil || t.held != nil {
		return t.held, nil
	}
	files := t.evidence()
	var all []piece
	for _, file := range files {
		all = append(all, readPieces(file, len(t.bundles) > 0)...)
	}
	if len(all) > maxBundles {
		return nil, Unreadable(files[0], fmt.Errorf("more than %d bundles", maxBundles))
	}
	return all, nil
}

// readPieces reads a file of one bundle, or of one a line.
func readPieces(file string, named bool) []piece {
	raw, err := readEvidence(file, named)
	if p := new(Problem); errors.As(err, &p) {
		switch {
		case errors.Is(err, fs.ErrNotExist) && named:
			p.Try = elsewhere
		case !errors.Is(err, fs.ErrNotExist):
			p.Exit, p.Code = ExitUndecided, "could-not-look"
		}
		return []piece{{file: file, name: file, err: p}}
	}
	return parsePieces(file, raw)
}

func parsePieces(file string, raw []byte) []piece {
	if !strings.HasSuffix(file, ".jsonl") {
		return []piece{parsePiece(file, raw)}
	}
	var all []piece
	for line := range bytes.Lines(raw) {
		for _, value := range values(line) {
			if len(all) > maxBundles {
				return all
			}
			p := parsePiece(file, value)
			p.name = fmt.Sprintf("%s:%d", file, len(all)+1)
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return []piece{{file: file, name: file, err: Unreadable(file, errors.New("no bundle in it"))}}
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
			return nil, Unreadable(file, err)
		}
	}
	return ReadFile(file, bundle.MaxSize)
}

func parsePiece(file string, raw []byte) piece {
	b, err := bundle.Parse(raw)
	if err != nil {
		return piece{file: file, name: file, err: &Problem{Exit: ExitUsage, Subject: file, Code: "bundle-malformed", Err: Encoding(raw, err)}}
	}
	return piece{file: file, name: file, bundle: b}
}

// ReadBundles reads a file of bundles, all of which must be good. Errors: *Problem.
func ReadBundles(file string) ([]*bundle.Bundle, error) {
	var all []*bundle.Bundle
	for _, p := range readPieces(file, true) {
		if p.err != nil {
			return nil, p.err
		}
		all = append(all, p.bundle)
	}
	return all, nil
}
