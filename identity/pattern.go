package identity

import "strings"

// Pattern is what a name must be: one text exactly, or a glob. Both are anchored:
// they are about the whole name. The zero Pattern matches nothing, not even the
// empty name.
type Pattern struct {
	text string
	kind patternKind
}

type patternKind int

const (
	exact patternKind = iota + 1
	glob
)

// Exact matches text and nothing else, byte for byte. It matches nothing when
// text is empty: absent is not a name.
func Exact(text string) Pattern { return Pattern{text, exact} }

// Glob matches text with its stars filled in: * stands for any run of bytes but
// / and @, so that it stays within one part of a path or of an email address; **
// stands for any run at all. Nothing else is special, and nothing escapes a star.
//
//	refs/tags/v*                           one tag, refs/tags/v1/x is none
//	https://github.com/acme/**             everything below acme
//	*@example.com                          every mailbox there
func Glob(text string) Pattern { return Pattern{text, glob} }

// IsExact says whether the pattern matches one name only.
func (p Pattern) IsExact() bool { return p.kind == exact || !strings.Contains(p.text, "*") }

// String is the pattern's text; globs are recognised by their stars.
func (p Pattern) String() string { return p.text }

// Match says whether the whole of name fits.
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

// matchGlob goes through the pattern once and keeps every place of the name that
// the part so far can end at: time is the product of the lengths, whatever the
// stars.
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

// spread lets each end move on over bytes that are not in stops.
func spread(ends []bool, name, stops string) {
	for i := 1; i < len(ends); i++ {
		ends[i] = ends[i] || ends[i-1] && strings.IndexByte(stops, name[i-1]) < 0
	}
}
