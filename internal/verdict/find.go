package verdict

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
)

// Suffix makes the name of a bundle out of its artifact's; LinesSuffix that of a
// file with several bundles, one a line.
const (
	Suffix      = ".sigstore.json"
	LinesSuffix = ".sigstore.jsonl"
)

// Target is an artifact to be judged, and where its bundles are.
type Target struct {
	Name    string // as it was given, or found
	path    string // of the artifact's file
	digest  []byte // SHA-256 in place of the file
	content []byte // in place of the file
	stdin   bool
	found   bool     // below a directory, by a pattern or in a list: not named itself
	bundles []string // files; empty: beside the artifact
	given   *bundle.Bundle
	held    []piece  // what the registry has
	problem *Problem // known before anything is judged
	listed  []byte   // SHA-256 that a list of checksums has for it
	list    *list    // the signed list that vouches for it

	registry Registry // where the artifact is, when it is no file
}

// Finder says where bundles are when they are not beside their artifacts.
type Finder struct {
	Bundles  []string       // files, for the one artifact there is
	Detached *bundle.Bundle // put together of detached evidence, likewise
	Registry Registry       // nil: arguments name files
}

func (f Finder) target(t Target) Target {
	t.bundles, t.given = f.Bundles, f.Detached
	return t
}

// All gives what every argument names.
func (f Finder) All(args []string) iter.Seq[Target] {
	return func(yield func(Target) bool) {
		for _, arg := range args {
			for target := range f.Find(arg) {
				if !yield(target) {
					return
				}
			}
		}
	}
}

// Find gives what an argument names: - is standard input, sha256:HEX a digest,
// a directory all files below it, a file of checksums the files that it lists;
// stars and brackets are expanded where no file has that name; an image is what
// Subject says. What cannot be found is a target with its problem.
func (f Finder) Find(arg string) iter.Seq[Target] {
	return func(yield func(Target) bool) {
		arg, image, problem := f.Subject(arg)
		if image || problem != nil {
			yield(f.image(arg, problem))
			return
		}
		info, err := os.Stat(arg)
		text, isDigest := strings.CutPrefix(arg, "sha256:")
		switch {
		case arg == "-":
			yield(f.target(Target{Name: arg, stdin: true}))
		case errors.Is(err, fs.ErrNotExist) && isDigest:
			yield(f.target(digestTarget(arg, text)))
		case errors.Is(err, fs.ErrNotExist) && HasStars(arg):
			f.glob(arg, yield)
		case err != nil:
			yield(Target{Name: arg, problem: notFound(arg, err)})
		case info.IsDir():
			f.directory(arg, yield)
		case IsChecksums(arg):
			f.checksums(arg, yield)
		default:
			yield(f.target(Target{Name: arg, path: arg}))
		}
	}
}

// notFound tells a file that is not there from one that can't be looked at.
func notFound(path string, err error) *Problem {
	if errors.Is(err, fs.ErrNotExist) {
		return Unreadable(path, err)
	}
	return couldNotLook(path, err)
}

// couldNotLook is what may be there, and may be signed.
func couldNotLook(path string, err error) *Problem {
	return &Problem{Exit: ExitUndecided, Subject: path, Code: "could-not-look", Err: err}
}

func digestTarget(arg, text string) Target {
	digest, err := hex.DecodeString(text)
	if err != nil || len(digest) != sha256.Size {
		return Target{Name: arg, problem: Unreadable(arg, errors.New("want sha256: and 64 hexadecimal digits"))}
	}
	return Target{Name: arg, digest: digest}
}

func isBundle(name string) bool { return artifactOf(name) != name }

// artifactOf is the name of a bundle's artifact; of what is no bundle, its own.
func artifactOf(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, LinesSuffix), Suffix)
}

// directory gives every file below dir but bundles, and for a bundle without its
// artifact that artifact, which is missing. A signed list of checksums vouches for
// those of its directory that have no bundle of their own.
func (f Finder) directory(dir string, yield func(Target) bool) {
	found, top := 0, dir
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		top += string(filepath.Separator) // the walk follows no link
	}
	covered := map[string]Target{}
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		var target Target
		switch {
		case err != nil:
			target = Target{Name: path, problem: couldNotLook(path, err)}
			found++
			return stopUnless(yield(target), entry)
		case entry.IsDir():
			f.cover(path, covered)
			return nil
		case isBundle(path):
			var missing bool
			if target, missing = missingArtifact(path); !missing {
				return nil
			}
		default:
			target = f.target(Target{Name: path, path: path, found: true})
			if listed, ok := covered[path]; ok && (listed.listed == nil || len(target.evidence()) == 0) {
				target = listed
			}
		}
		found++
		return stopUnless(yield(target), nil)
	})
	if err == nil && found == 0 {
		yield(Target{Name: dir, problem: Unreadable(dir, errors.New("no file in this directory"))})
	}
}

// missingArtifact is the artifact of a bundle that has none.
func missingArtifact(path string) (Target, bool) {
	artifact := artifactOf(path)
	info, err := os.Stat(artifact)
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is of no file: %w", path, fs.ErrNotExist)
	}
	if err == nil {
		return Target{}, false
	}
	return Target{Name: artifact, problem: notFound(artifact, err)}, true
}

// stopUnless ends a walk that nobody listens to any more, and passes by a
// directory that can't be read.
func stopUnless(wanted bool, unread fs.DirEntry) error {
	switch {
	case !wanted:
		return fs.SkipAll
	case unread != nil && unread.IsDir():
		return fs.SkipDir
	}
	return nil
}
