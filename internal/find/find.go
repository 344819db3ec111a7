// SPDX-License-Identifier: Apache-2.0

package find

import (
	"cmp"
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
	"github.com/hallmark-sign/hallmark/internal/fault"
)

// Suffix makes the name of a bundle out of its artifact's; LinesSuffix that of a file with
// several bundles, one a line. oldSuffix is that of older clients, which is read alone.
const (
	Suffix      = ".sigstore.json"
	LinesSuffix = ".sigstore.jsonl"
	oldSuffix   = ".sigstore"
)

var suffixes = []string{Suffix, LinesSuffix, oldSuffix}

// An Item is a subject to be judged, with what the finder knows of it.
type Item struct {
	Subject
	Err    error   // why it can't be judged
	By     *Item   // the bundles given, that vouch for it; or the signed list that it is
	Claims []Claim // by lists and manifests of its directory and those above
	Unseen error   // see folder

	bundles  []string // files; empty: beside the artifact
	detached *bundle.Bundle
	held     []Source // of a manifest
	asked    []string // lists and manifests, whether they mention it or not
	unread   string   // see folder
}

// failed returns the item of an argument that can't be judged.
func failed(name string, err error) Item { return Item{Subject: file{path: name}, Err: err} }

// path returns the path of the item's file, and "" if it has none.
func (i Item) path() string {
	if f, ok := i.Subject.(interface{ at() string }); ok {
		return f.at()
	}
	return ""
}

// A Finder finds bundles, next to their artifacts or where its fields name them.
type Finder struct {
	Bundles  []string       // files; several artifacts share them
	Detached *bundle.Bundle // built from detached files, for one artifact
	Registry Registry       // nil: arguments name files

	shared  *Item     // the bundles, where there are several artifacts
	covered *coverage // of the directories that were named; nil: bundles are given
}

// covering returns a Finder that asks the lists and manifests of directories, unless
// bundles are given.
func (f Finder) covering() Finder {
	if f.covered == nil {
		f.covered = newCoverage(len(f.Bundles) > 0 || f.Detached != nil)
	}
	return f
}

func (f Finder) item(i Item) Item {
	i.bundles, i.detached, i.By = f.Bundles, f.Detached, cmp.Or(i.By, f.shared)
	return f.covered.annotate(i)
}

// All yields the items of all arguments.
func (f Finder) All(args []string) iter.Seq[Item] {
	if len(f.Bundles) > 0 && Several(args) {
		f.shared = sharedBy(f.Bundles)
	}
	f = f.covering()
	return func(yield func(Item) bool) {
		for _, arg := range args {
			for item := range f.Find(arg) {
				if !yield(item) {
					return
				}
			}
		}
	}
}

// Find yields what an argument names: - is standard input, sha256:HEX a digest,
// a directory all files below it, a file of checksums the files that it lists;
// stars and brackets are expanded where no file has that name; an image is what
// Subject says. What cannot be found is an item with its error.
func (f Finder) Find(arg string) iter.Seq[Item] {
	f = f.covering()
	return f.find(arg)
}

func (f Finder) find(arg string) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		text, image, err := f.Subject(arg)
		switch {
		case err != nil:
			yield(failed(arg, err))
			return
		case image:
			yield(f.image(text))
			return
		}
		arg := direct(text)
		info, err := os.Stat(arg)
		switch {
		case arg == "-":
			yield(f.item(Item{Subject: Input(arg)}))
		case errors.Is(err, fs.ErrNotExist) && isDigest(arg):
			yield(f.item(digestItem(arg)))
		case errors.Is(err, fs.ErrNotExist) && hasStars(arg):
			f.glob(arg, yield)
		case err != nil:
			f.covered.search(filepath.Dir(arg))
			yield(f.covered.annotate(failed(arg, f.HintImage(notFound(arg, err)))))
		case info.IsDir():
			f.directory(arg, yield)
		case IsChecksums(arg):
			f.checksums(arg, yield)
		default:
			f.covered.search(filepath.Dir(arg))
			yield(f.item(Item{Subject: file{path: arg}}))
		}
	}
}

// notFound returns the problem for a file that is missing or can't be read.
func notFound(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Unreadable(path, err)
	}
	return fault.CouldNotLook(path, err)
}

// isDigest reports whether text is a digest. Only SHA-256 digests can be verified.
func isDigest(text string) bool {
	return strings.HasPrefix(text, "sha256:") || strings.HasPrefix(text, "sha512:")
}

func digestItem(arg string) Item {
	digest, err := hex.DecodeString(strings.TrimPrefix(arg, "sha256:"))
	if strings.HasPrefix(arg, "sha512:") {
		return failed(arg, fault.Unreadable(arg, errors.New("digests by SHA-512 are not supported: want sha256: and 64 hexadecimal digits")))
	}
	if err != nil || len(digest) != sha256.Size {
		return failed(arg, fault.Unreadable(arg, errors.New("want sha256: and 64 hexadecimal digits")))
	}
	return Item{Subject: Digest{arg, digest}}
}

// IsBundle reports whether a file of this name is a bundle.
func IsBundle(name string) bool { return artifactOf(name) != name }

// artifactOf returns the name of a bundle's artifact, or name itself for other files.
func artifactOf(name string) string {
	for _, suffix := range suffixes {
		if artifact, ok := strings.CutSuffix(name, suffix); ok && filepath.Base(name) != suffix {
			return artifact
		}
	}
	return name
}

// Beside returns the files with bundles that lie beside the artifact at path.
func Beside(path string) []string {
	var found []string
	for _, suffix := range suffixes {
		if _, err := os.Lstat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			found = append(found, path+suffix)
		}
	}
	return found
}

// Several reports whether arguments name more than one artifact: by their number, a
// directory or stars.
func Several(args []string) bool {
	if len(args) != 1 {
		return true
	}
	info, err := os.Stat(args[0])
	return err != nil && hasStars(args[0]) || err == nil && info.IsDir()
}

// Files yields what an argument names for signing. It differs from [Finder.Find] for a
// directory, of which it yields the files without regard to bundles, and for a list of
// checksums, of which it yields the list too.
func (f Finder) Files(arg string) iter.Seq[Item] {
	arg = direct(arg)
	info, err := os.Stat(arg)
	return func(yield func(Item) bool) {
		if err != nil || !info.IsDir() {
			if err == nil && IsChecksums(arg) && !yield(Item{Subject: file{path: arg}}) {
				return
			}
			f.find(arg)(yield)
			return
		}
		_ = Finder{}.walk(arg, nil, yield, func(path string, entry fs.DirEntry, err error) (Item, bool, error) {
			switch {
			case err != nil:
				return failed(path, fault.CouldNotLook(path, err)), true, nil
			case entry.IsDir(), IsBundle(path):
				return Item{}, false, nil
			}
			return Item{Subject: file{path, true}}, true, nil
		})
	}
}

// walk yields the items of what is below dir, as visit returns them, and then the files that
// manifests name, that fit from there, and that were not found. It follows a link to a
// directory where it is dir, and no other. An error reports that there is none.
func (f Finder) walk(dir string, fits func(rel string) bool, yield func(Item) bool, visit func(path string, entry fs.DirEntry, err error) (Item, bool, error)) error {
	f.covered.search(dir)
	top := dir
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		top += string(filepath.Separator)
	}
	found, stopped := map[string]bool{}, false
	add := func(i Item) {
		found[f.covered.key(i.Name())] = true
		stopped = stopped || !yield(i)
	}
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		item, wanted, next := visit(path, entry, err)
		if wanted {
			add(item)
		}
		switch {
		case stopped:
			return fs.SkipAll
		case err != nil && entry != nil && entry.IsDir():
			return fs.SkipDir
		}
		return next
	})
	for _, item := range f.covered.rest(f.covered.below(dir, fits), found) {
		if !stopped {
			add(item)
		}
	}
	if err == nil && len(found) == 0 {
		err = errNone
	}
	return err
}

var errNone = errors.New("no file in this directory")

// directory yields every file below dir except bundles. For a bundle without its
// artifact, it yields the missing artifact. Files that a manifest names and the walk
// does not reach follow.
func (f Finder) directory(dir string, yield func(Item) bool) {
	err := f.walk(dir, func(string) bool { return true }, yield, func(path string, entry fs.DirEntry, err error) (Item, bool, error) {
		switch {
		case err != nil:
			return failed(path, fault.CouldNotLook(path, err)), true, nil
		case entry.IsDir():
			f.covered.read(path)
			return Item{}, false, nil
		}
		item, wanted := f.inDirectory(path)
		return item, wanted, nil
	})
	if err != nil {
		yield(failed(dir, fault.Unreadable(dir, err)))
	}
}

// inDirectory returns the item of a file in a directory: the file, or the missing
// artifact of a bundle. A manifest has no item.
func (f Finder) inDirectory(path string) (item Item, wanted bool) {
	isManifest, err := f.covered.manifest(path)
	switch {
	case isManifest:
		return failed(path, err), err != nil
	case IsBundle(path) && !f.covered.byManifest(path):
		if f.covered.byManifest(artifactOf(path)) {
			return Item{}, false // which is among the rest
		}
		return missingArtifact(path)
	}
	return f.item(Item{Subject: file{path, true}}), true
}

// missingArtifact returns the artifact of a bundle if that does not exist.
func missingArtifact(path string) (Item, bool) {
	artifact := artifactOf(path)
	info, err := os.Stat(artifact)
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is of no file: %w", path, fs.ErrNotExist)
	}
	if err == nil {
		return Item{}, false
	}
	return failed(artifact, notFound(artifact, err)), true
}
