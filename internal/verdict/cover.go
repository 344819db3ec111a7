package verdict

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// repository is the entry of a directory that is the root of a Git repository.
const repository = ".git"

// mention is what a signed list or a manifest says about one file.
type mention struct {
	list *list
	checksum
	place string // the file, as shown to users
}

// coverage holds the signed lists of checksums and the manifests of the directories
// that have been searched, and what they say about files. Files and directories are
// keyed by absolute path. A nil coverage covers nothing.
type coverage struct {
	mute    bool // bundles are given: only tells manifests from other bundles
	cwd     string
	folders map[string]*folder
	files   map[string][]mention
}

// folder is the lists and manifests of one directory.
type folder struct {
	signed    map[string]*list    // lists of checksums that have a bundle, by path
	manifests map[string]*Problem // by path; nil: the manifest can be used
	names     []string            // of all of these, as shown to users

	// unread is a bundle that may be a manifest and is no valid one: what it names is
	// not known, but it can't count for a policy. unseen is why a list or bundle could not
	// be read that may well count.
	unread string
	unseen *Problem
}

func newCoverage(mute bool) *coverage {
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "" // absolute paths are covered nevertheless
	}
	return &coverage{mute: mute, cwd: cwd, folders: map[string]*folder{}, files: map[string][]mention{}}
}

// key returns the absolute form of path.
func (c *coverage) key(path string) string {
	if c == nil || filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(c.cwd, path)
}

// search reads the lists and manifests of dir and of the directories above it.
func (c *coverage) search(dir string) {
	if c == nil || c.mute {
		return
	}
	for _, above := range c.above(dir) {
		c.read(above)
	}
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
	for at, path := c.key(dir), dir; ; {
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
	key := c.key(dir)
	if c == nil || c.folders[key] != nil {
		return
	}
	here := &folder{signed: map[string]*list{}, manifests: map[string]*Problem{}}
	c.folders[key] = here
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		here.unseen = couldNotLook(dir, err)
		return
	}
	budget := manifestBudget{bytes: maxManifests, bundles: maxBundles}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case entry.IsDir():
		case IsBundle(path):
			c.readManifest(dir, path, here, &budget)
		case IsChecksums(path):
			c.readSigned(path, here)
		}
	}
}

// readSigned adds a list of checksums, if it has a bundle.
func (c *coverage) readSigned(path string, here *folder) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() || errors.Is(err, fs.ErrNotExist) {
		return // no list can be there
	}
	lines, signed, err := Finder{}.readList(path)
	switch p := new(Problem); {
	case errors.As(err, &p) && errors.Is(err, fs.ErrPermission):
		here.unseen = couldNotLook(path, p.Err)
	case err != nil || signed == nil:
	default:
		here.signed[path] = signed
		here.names = append(here.names, path)
		for _, line := range lines {
			c.mention(filepath.Dir(path), line, signed)
		}
	}
}

// mention notes that the list says what line says about a file below dir.
func (c *coverage) mention(dir string, line checksum, by *list) {
	place := filepath.Join(dir, line.name)
	key := c.key(place)
	c.files[key] = append(c.files[key], mention{by, line, place})
}

// annotate adds to a target what lists and manifests say about its file.
func (c *coverage) annotate(t Target) Target {
	if c == nil || c.mute || t.path == "" {
		return t
	}
	key := c.key(t.path)
	t.mentions = c.files[key]
	for dir := filepath.Dir(key); ; dir = filepath.Dir(dir) {
		if here := c.folders[dir]; here != nil {
			t.asked = append(t.asked, here.names...)
			t.unread = firstOf(t.unread, here.unread)
			if t.unseen == nil {
				t.unseen = here.unseen
			}
		}
		if dir == filepath.Dir(dir) {
			return t
		}
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// byManifest reports whether a manifest names the file at path.
func (c *coverage) byManifest(path string) bool {
	return c != nil && slices.ContainsFunc(c.files[c.key(path)], func(m mention) bool { return m.list.manifest() })
}

// manifest reports whether the bundle at path is a manifest, and what is wrong with it.
func (c *coverage) manifest(path string) (*Problem, bool) {
	if c == nil {
		return nil, false
	}
	here := c.folders[filepath.Dir(c.key(path))]
	if here == nil {
		return nil, false
	}
	problem, ok := here.manifests[path]
	return problem, ok
}

// rest returns the files that manifests name, that are within what the user named, and
// that the search for files has not found: they are missing, or stand where the search
// does not look, such as behind a link to a directory.
func (c *coverage) rest(within func(path string) bool, found map[string]bool) []Target {
	if c == nil || c.mute {
		return nil
	}
	var all []Target
	for _, key := range slices.Sorted(maps.Keys(c.files)) {
		place := c.files[key][0].place
		if found[key] || !c.byManifest(place) || !within(key) { // a list may name more than is kept
			continue
		}
		t := Target{Name: place, path: place, found: true}
		info, err := os.Stat(place)
		if err == nil && info.IsDir() {
			err = &fs.PathError{Op: "open", Path: place, Err: fs.ErrNotExist} // as a file
		}
		if err != nil {
			t.problem = notFound(place, err)
		}
		all = append(all, c.annotate(t))
	}
	return all
}

// below returns a predicate for paths below dir.
func (c *coverage) below(dir string) func(path string) bool {
	top := c.key(dir)
	return func(path string) bool {
		rel, err := filepath.Rel(top, path)
		return err == nil && filepath.IsLocal(rel)
	}
}

// maxAsked is how many lists a refusal names.
const maxAsked = 5

// notNamed words that no list or manifest names the file; it is empty where there is
// none.
func (t Target) notNamed() string {
	if len(t.asked) == 0 || len(t.mentions) > 0 {
		return ""
	}
	names, more := t.asked, ""
	if len(names) > maxAsked {
		names, more = names[:maxAsked], fmt.Sprintf(" and %d more", len(names)-maxAsked)
	}
	return "it is not named in " + strings.Join(names, ", ") + more
}
