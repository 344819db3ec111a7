// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
)

// admits refuses an identity that the policy does not name. Of several matchers
// the one that comes closest tells what is wrong.
func (r Requirements) admits(id identity.Identity) error {
	var closest mismatch
	for _, m := range r.Identities {
		differences := m.Differences(id)
		if len(differences) == 0 {
			return nil
		}
		if closest.differences == nil || len(differences) < len(closest.differences) {
			closest = mismatch{m, differences}
		}
	}
	refusal := &Error{Code: closest.code(), Expected: r.names(), Found: person(id.Subject.Value, id.Issuer)}
	if refusal.Code != IdentityMismatch || len(r.Identities) == 1 {
		if expected, found := closest.fields(); expected != "" {
			refusal.Expected, refusal.Found = expected, found
		}
	}
	return refusal
}

// mismatch is a matcher and where an identity departs from it.
type mismatch struct {
	identity.Matcher
	differences []identity.Difference
}

// repositoryNames are the fields that change when a repository or its owner gets
// another name. The numbers do not, and are never given to another (GitHub and
// GitLab, documentation of their tokens' repository_id and project_id).
var repositoryNames = []identity.Field{
	identity.SignerURI, identity.SourceRepositoryURI, identity.SourceRepositoryOwnerURI, identity.ConfigURI,
}

// code tells a repository that was renamed from one that took its name, and both
// from somebody else.
func (m mismatch) code() Code {
	moved, other := false, len(m.differences) > 0
	only := true
	for _, d := range m.differences {
		moved = moved || d.Field == identity.SourceRepositoryURI
		only = only && (d.Name == "subject" || slices.Contains(repositoryNames, d.Field))
		other = other && (d.Field == identity.SourceRepositoryID || d.Field == identity.SourceRepositoryOwnerID)
	}
	number, pinned := m.Build[identity.SourceRepositoryID]
	switch {
	case moved && only && pinned && number.IsExact():
		return RepositoryRenamed
	case other:
		return RepositoryReplaced
	}
	return IdentityMismatch
}

// fields names what differs of the build, in words; empty when the whole identity
// says it better.
func (m mismatch) fields() (expected, found string) {
	var want, got []string
	for _, d := range m.differences {
		switch {
		case d.Name == "issuer":
			return "", ""
		case d.Field == 0:
			continue
		}
		want = append(want, d.Name+" "+d.Want.String())
		if d.Found == "" {
			d.Found = "none"
		}
		got = append(got, d.Name+" "+d.Found)
	}
	return strings.Join(want, ", "), strings.Join(got, ", ")
}
