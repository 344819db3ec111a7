package identity

import (
	"maps"
	"slices"
	"sort"
)

// Matcher names the identities that a verifier accepts. Subject and Issuer are
// both needed: a subject means nothing without the issuer that vouched for it.
// The zero Matcher, like one without either pattern, matches nothing.
type Matcher struct {
	Subject Pattern
	Issuer  Pattern
	Type    SubjectType       // zero: any form of subject
	Build   map[Field]Pattern // what must hold besides; absent fields may be anything
}

// NewMatcher returns a matcher of one subject of one issuer, both byte for byte: no folding of
// case, no slash forgiven.
func NewMatcher(subject, issuer string) Matcher {
	return Matcher{Subject: Exact(subject), Issuer: Exact(issuer)}
}

// Match says whether id is one of the matcher's.
func (m Matcher) Match(id Identity) bool { return len(m.Differences(id)) == 0 }

// Difference is one thing in which an identity is not what a Matcher asks for.
// Field is zero for the issuer, and for the subject and its type.
type Difference struct {
	Name  string // of what differs, for people
	Field Field
	Want  Pattern
	Found string
}

// Differences are all of them, the issuer's first; none means a match.
func (m Matcher) Differences(id Identity) []Difference {
	var all []Difference
	differ := func(name string, field Field, want Pattern, found string) {
		if !want.Match(found) {
			all = append(all, Difference{name, field, want, found})
		}
	}
	differ("issuer", 0, m.Issuer, id.Issuer)
	differ("subject", 0, m.Subject, id.Subject.Value)
	if m.Type != 0 {
		differ("subject's type", 0, Exact(m.Type.String()), id.Subject.Type.String())
	}
	for _, field := range m.Fields() {
		differ(field.String(), field, m.Build[field], id.Build.Get(field))
	}
	return all
}

// Fields returns the fields that Build has patterns for, in order.
func (m Matcher) Fields() []Field {
	fields := slices.Collect(maps.Keys(m.Build))
	sort.Slice(fields, func(a, b int) bool { return fields[a] < fields[b] })
	return fields
}
