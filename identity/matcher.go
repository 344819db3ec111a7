// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"maps"
	"slices"
	"sort"
)

// A Matcher describes the identities that a verifier accepts. Subject and
// Issuer are both required: a subject means nothing without the issuer that
// vouched for it. A Matcher without either pattern, such as the zero value,
// matches nothing.
type Matcher struct {
	Subject Pattern
	Issuer  Pattern
	Type    SubjectType       // required form of the subject; zero allows any
	Build   map[Field]Pattern // patterns of further fields; fields without one are not checked
}

// NewMatcher returns a Matcher for one subject of one issuer. Both are compared
// byte for byte: letter case and trailing slashes matter.
func NewMatcher(subject, issuer string) Matcher {
	return Matcher{Subject: Exact(subject), Issuer: Exact(issuer)}
}

// Match reports whether the matcher accepts id.
func (m Matcher) Match(id Identity) bool { return len(m.Differences(id)) == 0 }

// A Difference is one respect in which an identity does not match a [Matcher].
// Field is zero for the issuer, the subject and its type.
type Difference struct {
	Name  string // name of the compared field, for people
	Field Field
	Want  Pattern
	Found string
}

// Differences returns all differences between m and id, the issuer's first. If
// there are none, the matcher accepts id.
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
