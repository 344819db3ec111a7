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
	"sync"

	"github.com/bmatcuk/doublestar/v4"

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

// list is a signed list of checksums, judged once.
type list struct {
	target Target
	judged sync.Once
	said   Verdict
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
		case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?[{"):
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
	return &Problem{Exit: ExitUndecided, Subject: path, Code: "could-not-look", Err: err}
}

func digestTarget(arg, text string) Target {
	digest, err := hex.DecodeString(text)
	if err != nil || len(digest) != sha256.Size {
		return Target{Name: arg, problem: Unreadable(arg, errors.New("want sha256: and 64 hexadecimal digits"))}
	}
	return Target{Name: arg, digest: digest}
}

func isBundle(name string) bool {
	return strings.HasSuffix(name, Suffix) || strings.HasSuffix(name, LinesSuffix)
}

// IsChecksums says whether a file of this name is a list of checksums.
func IsChecksums(name string) bool { return filepath.Base(name) == "SHA256SUMS" }

// glob expands a pattern; it is an error when nothing fits.
func (f Finder) glob(pattern string, yield func(Target) bool) {
	names, err := doublestar.FilepathGlob(pattern, doublestar.WithFilesOnly(), doublestar.WithFailOnIOErrors())
	switch {
	case err == nil && len(names) == 0:
		err = errors.New("no file fits")
		fallthrough
	case errors.Is(err, doublestar.ErrBadPattern):
		yield(Target{Name: pattern, problem: Unreadable(pattern, err)})
		return
	case err != nil:
		yield(Target{Name: pattern, problem: &Problem{Exit: ExitUndecided, Subject: pattern, Code: "could-not-look", Err: err}})
		return
	}
	found := 0
	for _, name := range names {
		if isBundle(name) {
			continue
		}
		found++
		if !yield(f.target(Target{Name: name, path: name, found: true})) {
			return
		}
	}
	if found == 0 {
		yield(Target{Name: pattern, problem: Unreadable(pattern, errors.New("only bundles fit; name their artifacts"))})
	}
}

// directory gives every file below dir but bundles, and for a bundle without its
// artifact that artifact, which is missing.
func (f Finder) directory(dir string, yield func(Target) bool) {
	found, top := 0, dir
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		top += string(filepath.Separator) // the walk follows no link
	}
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			found++
			return stopUnless(yield(Target{Name: path, problem: &Problem{Exit: ExitUndecided, Subject: path, Code: "could-not-look", Err: err}}), entry)
		case entry.IsDir():
			return nil
		case !isBundle(path):
			found++
			return stopUnless(yield(f.target(Target{Name: path, path: path, found: true})), nil)
		}
		artifact := strings.TrimSuffix(strings.TrimSuffix(path, LinesSuffix), Suffix)
		info, err := os.Stat(artifact)
		if err == nil && info.IsDir() {
			err = fmt.Errorf("%s is of no file: %w", path, fs.ErrNotExist)
		}
		if err != nil {
			found++
			return stopUnless(yield(Target{Name: artifact, problem: notFound(artifact, err)}), nil)
		}
		return nil
	})
	if err == nil && found == 0 {
		yield(Target{Name: dir, problem: Unreadable(dir, errors.New("no file in this directory"))})
	}
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

// maxChecksums is how many bytes a list of checksums may have.
const maxChecksums = 16 << 20

// checksums gives the files of a list as sha256sum writes it. Where the list has a
// bundle, the list is judged, and vouches for its files by their digests; else
// each file needs a bundle of its own, and must be the one that is listed.
func (f Finder) checksums(path string, yield func(Target) bool) {
	raw, err := ReadFile(path, maxChecksums)
	var files []checksum
	if err == nil {
		if files, err = parseChecksums(raw); err != nil {
			err = Unreadable(path, err)
		}
	}
	if p := new(Problem); errors.As(err, &p) {
		yield(Target{Name: path, problem: p})
		return
	}
	var signed *list
	if self := f.target(Target{Name: path, path: path, content: raw}); self.given != nil || len(self.evidence()) > 0 {
		signed = &list{target: self}
		if !yield(Target{Name: path, list: signed}) {
			return
		}
	}
	for _, file := range files {
		name := filepath.Join(filepath.Dir(path), file.name)
		if !yield(Target{Name: name, path: name, found: true, listed: file.digest, list: signed}) {
			return
		}
	}
}

// checksum is a line of sha256sum: digest, two spaces or a space and a star, name.
type checksum struct {
	digest []byte
	name   string
}

func parseChecksums(raw []byte) ([]checksum, error) {
	var all []checksum
	seen := map[string]bool{}
	for number, line := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
		text, name, _ := strings.Cut(strings.TrimSuffix(line, "\r"), " ")
		digest, err := hex.DecodeString(text)
		if err != nil || len(digest) != sha256.Size || len(name) < 2 || name[0] != ' ' && name[0] != '*' {
			return nil, fmt.Errorf("line %d: want 64 hexadecimal digits, two spaces and a name", number+1)
		}
		name = filepath.FromSlash(name[1:])
		if !filepath.IsLocal(name) || seen[name] {
			return nil, fmt.Errorf("line %d: %q is outside of the list's directory, or listed twice", number+1, name)
		}
		seen[name] = true
		all = append(all, checksum{digest, name})
	}
	return all, nil
}
