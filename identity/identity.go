// SPDX-License-Identifier: Apache-2.0

package identity

import "fmt"

// A SubjectType is the form of a subject alternative name.
type SubjectType int

// The forms of certificate-specification.md. The zero SubjectType is none of
// them.
const (
	Email    SubjectType = iota + 1 // rfc822Name
	URI                             // uniformResourceIdentifier: workflows, SPIFFE
	Username                        // otherName 1.3.6.1.4.1.57264.1.7: name!domain
)

// String returns the type's name for people.
func (t SubjectType) String() string {
	switch t {
	case Email:
		return "email"
	case URI:
		return "URI"
	case Username:
		return "username"
	}
	return fmt.Sprintf("SubjectType(%d)", int(t))
}

// A Subject is the only subject alternative name of a certificate.
type Subject struct {
	Type  SubjectType
	Value string
}

// An Identity holds the statements of a Fulcio certificate about its holder. Identities are
// comparable with ==.
//
//	X509v3 Subject Alternative Name: critical
//	    email:alice@example.com
//	1.3.6.1.4.1.57264.1.1:
//	    https://login.example.com
//	1.3.6.1.4.1.57264.1.8:
//	    ..https://login.example.com
type Identity struct {
	Issuer  string // URL of the OpenID issuer, extensions .1 and .8
	Subject Subject
	Build   Build // zero for people
}
