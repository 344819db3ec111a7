// SPDX-License-Identifier: Apache-2.0

package find

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// hasStars reports whether an argument that names no file is a pattern.
func hasStars(arg string) bool { return strings.ContainsAny(arg, "*?[") }

// glob yields the files that match a pattern, except bundles: each part of the path as
// in package path, and ** for any number of directories. It is an error when
// nothing fits; a directory that can't be read may have hidden what does.
func (f Finder) glob(pattern string, yield func(Item) bool) {
	parts := strings.Split(filepath.ToSlash(pattern), "/")
	for _, part := range parts {
		if _, err := path.Match(part, ""); err != nil {
			yield(failed(pattern, fault.Unreadable(pattern, err)))
			return
		}
	}
	fixed := slices.IndexFunc(parts, hasStars)
	top := strings.Join(parts[:fixed], "/")
	switch {
	case top == "" && fixed > 0:
		top = "/"
	case top == "":
		top = "."
	}
	fits := func(rel string) bool { return fit(parts[fixed:], strings.Split(filepath.ToSlash(rel), "/")) }
	err := f.walk(filepath.FromSlash(top), fits, yield, func(name string, entry fs.DirEntry, err error) (Item, bool, error) {
		return f.fitting(parts[fixed:], top, name, entry, err)
	})
	if errors.Is(err, errNone) {
		err = errors.New("no file fits, bundles left out")
	}
	if err != nil {
		yield(failed(pattern, fault.Unreadable(pattern, err)))
	}
}

// fitting holds what a walk has come by to the pattern: an item, or how the walk
// goes on.
func (f Finder) fitting(parts []string, top, name string, entry fs.DirEntry, err error) (item Item, fits bool, next error) {
	rel, relErr := filepath.Rel(filepath.FromSlash(top), name)
	if relErr != nil {
		return Item{}, false, relErr
	}
	var names []string
	if rel != "." {
		names = strings.Split(filepath.ToSlash(rel), "/")
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Item{}, false, nil
	case err != nil:
		return failed(name, fault.CouldNotLook(name, err)), true, nil
	case entry.IsDir() && !leadsOn(parts, names):
		return Item{}, false, fs.SkipDir
	case entry.IsDir():
		f.covered.read(name)
		return Item{}, false, nil
	case IsBundle(name), !fit(parts, names):
		return Item{}, false, nil
	}
	return f.item(Item{Subject: file{name, true}}), true, nil
}

// fit matches all names with all parts.
func fit(parts, names []string) bool {
	switch {
	case len(parts) == 0:
		return len(names) == 0
	case parts[0] == "**":
		return fit(parts[1:], names) || len(names) > 0 && fit(parts, names[1:])
	case len(names) == 0:
		return false
	}
	ok, err := path.Match(parts[0], names[0])
	return err == nil && ok && fit(parts[1:], names[1:])
}

// leadsOn reports whether there may be matching files below a directory.
func leadsOn(parts, names []string) bool {
	switch {
	case len(parts) == 0:
		return false
	case len(names) == 0 || parts[0] == "**":
		return true
	}
	ok, err := path.Match(parts[0], names[0])
	return err == nil && ok && leadsOn(parts[1:], names[1:])
}
