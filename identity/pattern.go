// SPDX-License-Identifier: Apache-2.0

package identity

import "strings"

// A Pattern is either an exact text or a glob, and is compared with the whole
// name. The zero Pattern matches nothing, not even the empty name.
type Pattern struct {
	text string
	kind patternKind
}

type patternKind int

const (
	exact patternKind = iota + 1
	glob
)

// Exact returns a pattern that matches text only, byte for byte. If text is
// empty, it matches nothing: an absent name must not match.
func Exact(text string) Pattern { return Pattern{text, exact} }

// Glob returns a pattern in which * stands for any number of bytes other than /
// and @, so that it stays within one part of a path or of an email address, and
// ** stands for any number of bytes. No other character is special, and stars
// can't be escaped.
//
//	refs/tags/v*                           one tag; refs/tags/v1/x does not match
//	https://github.com/acme/**             everything below acme
//	*@example.com                          every mailbox of the domain
func Glob(text string) Pattern { return Pattern{text, glob} }

// IsExact reports whether the pattern matches only one name.
func (p Pattern) IsExact() bool { return p.kind == exact || !strings.Contains(p.text, "*") }

// String returns the pattern's text. A text with stars is a glob unless the
// pattern was made by [Exact].
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern matches the whole name.
func (p Pattern) Match(name string) bool {
	switch {
	case name == "" || p.text == "":
		return false
	case p.kind == exact:
		return p.text == name
	case p.kind == glob:
		return matchGlob(p.text, name)
	}
	return false
}

// matchGlob walks through the pattern once and tracks every position of name
// that the part so far can end at. The time is proportional to the product of
// the lengths, however many stars there are.
func matchGlob(pattern, name string) bool {
	ends := make([]bool, len(name)+1)
	ends[0] = true
	for pattern != "" {
		switch {
		case strings.HasPrefix(pattern, "**"):
			spread(ends, name, "")
			pattern = strings.TrimLeft(pattern, "*")
		case pattern[0] == '*':
			spread(ends, name, "/@")
			pattern = pattern[1:]
		default:
			for i := len(name); i > 0; i-- {
				ends[i] = ends[i-1] && name[i-1] == pattern[0]
			}
			ends[0] = false
			pattern = pattern[1:]
		}
	}
	return ends[len(name)]
}

// spread extends each end over the following bytes that are not in stops.
func spread(ends []bool, name, stops string) {
	for i := 1; i < len(ends); i++ {
		ends[i] = ends[i] || ends[i-1] && strings.IndexByte(stops, name[i-1]) < 0
	}
}
