package verdict

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// maxChecksums is how many bytes a list of checksums may have.
const maxChecksums = 4 << 20

// IsChecksums says whether a file of this name is a list of checksums, as
// SHA256SUMS, widget_1.0_SHA256SUMS and checksums.txt are.
func IsChecksums(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	return !isBundle(base) && (strings.Contains(base, "sha256sum") || strings.Contains(base, "checksums"))
}

// checksums gives the files of a list as sha256sum writes it. Where the list has a
// bundle, the list is judged, and vouches for its files by their digests; else
// each file needs a bundle of its own, and must be the one that is listed.
func (f Finder) checksums(path string, yield func(Target) bool) {
	files, signed, err := f.readList(path)
	if err != nil && !strings.Contains(strings.ToLower(filepath.Base(path)), "sha256sum") {
		yield(f.target(Target{Name: path, path: path})) // a file of that name, and no list
		return
	}
	if p := new(Problem); errors.As(err, &p) {
		p.Try = "- <" + Quoted(path) + " --bundle " + Quoted(path+Suffix) + ", for the file itself"
		yield(Target{Name: path, problem: p})
		return
	}
	if signed != nil && !yield(Target{Name: path, path: path, list: signed}) {
		return
	}
	for _, file := range files {
		if !yield(file) {
			return
		}
	}
}

// readList gives the files of a list, and the list itself where it has a bundle.
func (f Finder) readList(path string) ([]Target, *list, error) {
	raw, err := ReadFile(path, maxChecksums)
	if err != nil {
		return nil, nil, err
	}
	lines, err := parseChecksums(raw)
	if err != nil {
		return nil, nil, Unreadable(path, fmt.Errorf("not a list of SHA-256 checksums: %w", err))
	}
	var signed *list
	if self := f.target(Target{Name: path, path: path, content: raw}); self.given != nil || len(self.evidence()) > 0 {
		signed = &list{target: self}
	}
	files := make([]Target, len(lines))
	for i, line := range lines {
		name := filepath.Join(filepath.Dir(path), line.name)
		files[i] = Target{Name: name, path: name, found: true, listed: line.digest, list: signed}
	}
	return files, signed, nil
}

// coverByChecksums notes what a signed list says; it is a file like any other itself.
func (f Finder) coverByChecksums(path string, covered coverage) {
	files, signed, err := f.readList(path)
	if err != nil || signed == nil {
		return
	}
	for _, file := range files {
		covered.files[file.path] = append(covered.files[file.path], mention{signed, file.listed})
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
