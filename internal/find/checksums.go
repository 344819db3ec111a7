// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// maxChecksums bounds a list of checksums, in bytes.
const maxChecksums = 4 << 20

// IsChecksums reports whether a file of this name is a list of checksums, as SHA256SUMS,
// widget_1.0_SHA512SUMS, CHECKSUM and checksums.txt are.
func IsChecksums(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	return !IsBundle(base) && (isNamedForSums(base) || strings.Contains(base, "checksum"))
}

// isNamedForSums reports whether a file of this name can only be a list.
func isNamedForSums(name string) bool {
	return slices.ContainsFunc(sumNames, func(s string) bool { return strings.Contains(strings.ToLower(name), s) })
}

var sumNames = []string{"sha256sum", "sha384sum", "sha512sum"}

// checksums yields a list and its files. If the list has a bundle, it counts for its files
// by their digests; else each file needs a bundle of its own, and must be the one that is
// listed. Lists and manifests of the directory count, and object, as well.
func (f Finder) checksums(path string, yield func(Item) bool) {
	f.covered.search(filepath.Dir(path))
	lines, signed, err := f.readList(path)
	if err != nil && !isNamedForSums(filepath.Base(path)) {
		yield(f.item(Item{Subject: file{path: path}})) // a file with the name of a list, but other content
		return
	}
	if err != nil {
		yield(failed(path, fault.Of(err).With("list-itself", path+Suffix)))
		return
	}
	if signed != nil && !yield(f.item(Item{Subject: file{path: path}, By: signed})) {
		return
	}
	for _, line := range lines {
		name := filepath.Join(filepath.Dir(path), line.name)
		item := f.item(Item{Subject: listed{file{name, true}, line}})
		if signed != nil && len(item.Claims) == 0 { // by a given bundle
			line.By, line.place = signed, name
			item.Claims, item.By = []Claim{line}, nil
		}
		if !yield(item) {
			return
		}
	}
}

// readList returns the lines of a list, and the list itself if it has a bundle.
func (f Finder) readList(path string) ([]Claim, *Item, error) {
	raw, err := ReadFile(path, maxChecksums)
	if err != nil {
		return nil, nil, err
	}
	lines, err := parseChecksums(raw)
	if err != nil {
		return nil, nil, fault.Unreadable(path, fmt.Errorf("not a list of checksums: %w", err))
	}
	self := &Item{Subject: content{file{path: path}, raw}, bundles: f.Bundles, detached: f.Detached}
	if self.detached == nil && len(self.evidence()) == 0 {
		return lines, nil, nil
	}
	return lines, self, nil
}

// A Claim is a claim about the content of a file: a line of a list of checksums, or a subject
// of a manifest.
type Claim struct {
	Hash   crypto.Hash
	Digest []byte
	By     *Item // the signed list, or the manifest; nil: not signed

	Malformed bool // of a manifest that objects, and does not count

	name  string // of the file, in the directory of the list
	place string // the file, as shown to users
	at    string // the file, by the list's directory without links and its name
}

func parseChecksums(raw []byte) ([]Claim, error) {
	var all []Claim
	seen := map[string]Claim{}
	for number, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		sum, err := parseChecksum(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		key := fmt.Sprint(sum.Hash, sum.name)
		before, again := seen[key]
		switch {
		case again && bytes.Equal(before.Digest, sum.Digest):
			continue
		case again:
			return nil, fmt.Errorf("line %d: %q is listed twice, with different digests", number+1, sum.name)
		}
		seen[key] = sum
		all = append(all, sum)
	}
	if len(all) == 0 {
		return nil, errors.New("it lists nothing")
	}
	return all, nil
}

// parseChecksum parses a line as sha256sum -c and its sisters do. The length of the digest,
// or a word before the name, determines the algorithm:
//
//	5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  bin/tool
//	5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 *bin/tool
//	SHA256 (bin/tool) = 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
//	\5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  a\\b
func parseChecksum(line string) (Claim, error) {
	text, escaped := strings.CutPrefix(line, `\`)
	word, name, digits := splitBSD(text)
	if digits == "" {
		digits, name, _ = strings.Cut(text, " ")
		if name != "" && (name[0] == ' ' || name[0] == '*') {
			name = name[1:]
		}
	}
	digest, err := hex.DecodeString(digits)
	algorithm := map[int]crypto.Hash{sha256.Size: crypto.SHA256, sha512.Size384: crypto.SHA384, sha512.Size: crypto.SHA512}[len(digest)]
	if err != nil || algorithm == 0 || name == "" || word != "" && word != strings.ReplaceAll(algorithm.String(), "-", "") {
		return Claim{}, errors.New("want a SHA-256, SHA-384 or SHA-512 in hexadecimal, two spaces and a name; or SHA256 (NAME) = DIGEST")
	}
	if escaped {
		if name, err = unescape(name); err != nil {
			return Claim{}, err
		}
	}
	name = filepath.FromSlash(name)
	if !filepath.IsLocal(name) {
		return Claim{}, fmt.Errorf("%q is outside of the list's directory", name)
	}
	return Claim{Hash: algorithm, Digest: digest, name: filepath.Clean(name)}, nil
}

// splitBSD splits a line "SHA256 (NAME) = DIGEST", or as openssl writes it without spaces
// around the parentheses. Of any other line it returns nothing.
func splitBSD(line string) (algorithm, name, digits string) {
	open, end := strings.Index(line, "("), strings.LastIndex(line, ")")
	if open < 0 || end < open || !strings.HasPrefix(line, "SHA") {
		return "", "", ""
	}
	digits, ok := strings.CutPrefix(strings.TrimPrefix(line[end+1:], " "), "= ")
	if !ok {
		return "", "", ""
	}
	algorithm = strings.TrimSuffix(line[:open], " ")
	return strings.Replace(algorithm, "SHA2-", "SHA", 1), line[open+1 : end], digits
}

// unescape undoes what sha256sum does to names with a newline or a backslash.
func unescape(name string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '\\' {
			out.WriteByte(name[i])
			continue
		}
		if i++; i == len(name) {
			return "", fmt.Errorf("%q ends in a backslash", name)
		}
		switch name[i] {
		case '\\':
			out.WriteByte('\\')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		default:
			return "", fmt.Errorf("%q has an unknown escape", name)
		}
	}
	return out.String(), nil
}

// Manifest reports whether the item is bundles that name files themselves, as a manifest
// does. It is judged once, as a signed list of checksums is.
func (i *Item) Manifest() bool {
	_, ok := i.Subject.(claimed)
	return ok
}

// Given returns the first file of the bundles that were given.
func (i *Item) Given() string { return i.bundles[0] }
