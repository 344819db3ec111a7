// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// repository is the entry of a directory that is the root of a Git repository.
const repository = ".git"

// A coverage holds the signed lists of checksums and the manifests of the directories
// that have been searched, and their claims about files. Files and directories are
// keyed by absolute path, in which no directory is a link: a file has the same key
// however the user names it. A nil coverage covers nothing.
type coverage struct {
	mute    bool   // bundles are given: only distinguishes manifests from other bundles
	cwd     string // without links
	folders map[string]*folder
	files   map[string][]Claim
	real    map[string]string // directories without links, by absolute path
}

// A folder holds the lists and manifests of one directory.
type folder struct {
	manifests map[string]error // by key; nil: the manifest can be used
	names     []string         // of manifests and of lists with a bundle, as shown to users

	// unread is a bundle that may be a manifest and is no valid one: what it names is
	// not known, but it can't count for a policy. unseen is why a list or bundle could not
	// be read that may well count.
	unread string
	unseen error
}

func newCoverage(mute bool) *coverage {
	c := &coverage{mute: mute, folders: map[string]*folder{}, files: map[string][]Claim{}, real: map[string]string{}}
	if cwd, err := os.Getwd(); err == nil { // otherwise absolute paths are still covered
		c.cwd = c.resolve(cwd)
	}
	return c
}

// abs returns the absolute form of path.
func (c *coverage) abs(path string) string {
	if c == nil || filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(c.cwd, path)
}

// key returns the key of the file at path.
func (c *coverage) key(path string) string {
	at := c.abs(path)
	return filepath.Join(c.resolve(filepath.Dir(at)), filepath.Base(at))
}

// resolve returns an absolute directory without links. Of one that is missing, links
// are resolved as far as it is there.
func (c *coverage) resolve(dir string) string {
	if c == nil {
		return dir
	}
	if real, ok := c.real[dir]; ok {
		return real
	}
	real, err := filepath.EvalSymlinks(dir)
	if parent := filepath.Dir(dir); err != nil && parent != dir {
		real = filepath.Join(c.resolve(parent), filepath.Base(dir))
	} else if err != nil {
		real = dir
	}
	c.real[dir] = real
	return real
}

// search reads the lists and manifests of dir and of the directories above it, both of
// those in the path that the user named and of those without links.
func (c *coverage) search(dir string) {
	if c == nil || c.mute {
		return
	}
	named := c.abs(dir)
	all, real := c.above(dir), c.resolve(named)
	if rel, err := filepath.Rel(c.cwd, real); err == nil && filepath.IsLocal(rel) {
		all = append(all, c.above(rel)...)
	} else if real != named {
		all = append(all, c.above(real)...)
	}
	for _, above := range all {
		c.read(above)
	}
}

// direct returns a path without "..", but at its beginning, as the system follows it: to
// the parent of a link's target, where a link stands before it.
func direct(path string) string {
	end := strings.LastIndex("/"+filepath.ToSlash(path)+"/", "/../")
	if end < 0 {
		return path
	}
	upward, rest := path[:end+2], path[min(end+3, len(path)):]
	if target, err := filepath.EvalSymlinks(upward); err == nil {
		return filepath.Join(target, rest)
	}
	return path
}

// above returns dir and its parents, up to the working directory or the root of the
// repository, whichever is higher. For a directory outside both it stops at the
// directory that it has in common with the working directory. It does not go on into
// a directory of another owner or file system.
func (c *coverage) above(dir string) []string {
	all := []string{dir}
	info, err := os.Stat(dir)
	if err != nil {
		info = nil // the directory may be missing with its files; the parents name them
	}
	last := 0 // index of the highest directory that is searched
	met := false
	for at, path := c.abs(dir), dir; ; {
		if !met && c.holdsWorkingDirectory(at) {
			last, met = len(all)-1, true
		}
		if _, err := os.Lstat(filepath.Join(at, repository)); err == nil {
			last = len(all) - 1
		}
		parent := filepath.Dir(at)
		if parent == at {
			break
		}
		at, path = parent, filepath.Join(path, "..")
		next, err := os.Stat(path)
		if err != nil || info != nil && !sameOwnerAndVolume(info, next) {
			break
		}
		info, all = next, append(all, path)
	}
	return all[:last+1]
}

// holdsWorkingDirectory reports whether the directory at is the working directory or
// above it. The root of a file system counts only as working directory.
func (c *coverage) holdsWorkingDirectory(at string) bool {
	rel, err := filepath.Rel(at, c.cwd)
	return err == nil && filepath.IsLocal(rel) && (rel == "." || at != filepath.Dir(at))
}

// read reads the lists and manifests of one directory, once.
func (c *coverage) read(dir string) {
	if c == nil {
		return
	}
	key := c.resolve(c.abs(dir))
	if c.folders[key] != nil {
		return
	}
	here := &folder{manifests: map[string]error{}}
	c.folders[key] = here
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		here.unseen = fault.CouldNotLook(dir, err)
		return
	}
	budget := manifestBudget{bytes: maxManifests, bundles: maxBundles}
	var raw bytes.Buffer
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case entry.IsDir():
		case IsBundle(path) && entry.Type().IsRegular() && isPlainSignature(path, &raw):
		case IsBundle(path):
			c.readManifest(dir, path, here, &budget)
		case IsChecksums(path):
			c.readSigned(path, here, &budget)
		}
	}
}

// readSigned adds a list of checksums, if it has a bundle.
func (c *coverage) readSigned(path string, here *folder, budget *manifestBudget) {
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrPermission) || err == nil && !info.Mode().IsRegular() || len(Beside(path)) == 0 {
		return // there is no list, or it is not signed
	}
	if err != nil {
		here.unseen = fault.CouldNotLook(path, err)
		return
	}
	if budget.bytes -= info.Size(); budget.bytes < 0 {
		here.unseen = tooMany(path)
		return
	}
	lines, signed, err := Finder{}.readList(path)
	switch {
	case err != nil && (errors.Is(err, fs.ErrPermission) || info.Size() > maxChecksums):
		here.unseen = fault.CouldNotLook(path, fault.Of(err).Err)
	case err != nil || signed == nil:
	default:
		here.names = append(here.names, path)
		for _, line := range lines {
			line.By = signed
			c.mention(filepath.Dir(path), line)
		}
	}
}

// mention notes a claim about a file below dir.
func (c *coverage) mention(dir string, line Claim) {
	line.place = filepath.Join(dir, line.name)
	line.at = filepath.Join(c.resolve(c.abs(dir)), line.name)
	key := c.key(line.place)
	c.files[key] = append(c.files[key], line)
}

// annotate adds to an item what lists and manifests claim about its file.
func (c *coverage) annotate(i Item) Item {
	path := i.path()
	if c == nil || c.mute || path == "" {
		return i
	}
	i.Claims = c.files[c.key(path)]
	for _, here := range c.foldersAbove(path) {
		i.asked = append(i.asked, here.names...)
		i.unread = cmp.Or(i.unread, here.unread)
		i.Unseen = cmp.Or(i.Unseen, here.unseen)
	}
	return i
}

// foldersAbove returns the directories above the file at path that have been read, both
// in the path that the user named and without links.
func (c *coverage) foldersAbove(path string) []*folder {
	var all []*folder
	named, real := filepath.Dir(c.abs(path)), filepath.Dir(c.key(path))
	for _, dir := range slices.Compact([]string{named, real}) {
		for ; ; dir = filepath.Dir(dir) {
			if here := c.folders[c.resolve(dir)]; here != nil && !slices.Contains(all, here) {
				all = append(all, here)
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return all
}

// byManifest reports whether a manifest names the file at path.
func (c *coverage) byManifest(path string) bool {
	return c != nil && slices.ContainsFunc(c.files[c.key(path)], func(m Claim) bool { return m.By.Manifest() })
}

// manifest reports whether the bundle at path is a manifest, and what is wrong with it.
func (c *coverage) manifest(path string) (isManifest bool, err error) {
	if c == nil {
		return false, nil
	}
	key := c.key(path)
	here := c.folders[filepath.Dir(key)]
	if here == nil {
		return false, nil
	}
	err, isManifest = here.manifests[key]
	return isManifest, err
}

// rest returns the files that manifests name, that are within what the user named, and
// that the search for files has not found: they are missing, or stand where the search
// does not look, such as behind a link to a directory.
func (c *coverage) rest(within func(path string) bool, found map[string]bool) []Item {
	if c == nil || c.mute {
		return nil
	}
	var all []Item
	for _, key := range slices.Sorted(maps.Keys(c.files)) {
		byManifest := func(m Claim) bool { return m.By.Manifest() && within(m.at) } // a list may name more than is kept
		if found[key] || !slices.ContainsFunc(c.files[key], byManifest) {
			continue
		}
		place := c.files[key][0].place
		i := Item{Subject: file{place, true}}
		info, err := os.Stat(place)
		if err == nil && info.IsDir() {
			err = &fs.PathError{Op: "open", Path: place, Err: fs.ErrNotExist} // as a file
		}
		if err != nil {
			i.Err = notFound(place, err)
		}
		all = append(all, c.annotate(i))
	}
	return all
}

// below returns a predicate for absolute paths below dir that fit from there, be dir
// named by the path that the user gave or without links.
func (c *coverage) below(dir string, fits func(rel string) bool) func(path string) bool {
	named := c.abs(dir)
	tops := slices.Compact([]string{named, c.resolve(named)})
	return func(path string) bool {
		return slices.ContainsFunc(tops, func(top string) bool {
			rel, err := filepath.Rel(top, path)
			return err == nil && filepath.IsLocal(rel) && fits(rel)
		})
	}
}

// maxAsked is the number of lists that a refusal names.
const maxAsked = 5

// notNamed returns the statement that no list or manifest names the file, or "" if there
// are none.
func (i Item) notNamed() string {
	if len(i.asked) == 0 || len(i.Claims) > 0 {
		return ""
	}
	names, more := i.asked, ""
	if len(names) > maxAsked {
		names, more = names[:maxAsked], fmt.Sprintf(" and %d more", len(names)-maxAsked)
	}
	return "it is not named in " + strings.Join(names, ", ") + more
}
