package identity

import "fmt"

// SubjectType is the form of a subject alternative name.
type SubjectType int

// The forms of certificate-specification.md. The zero SubjectType is none.
const (
	Email    SubjectType = iota + 1 // rfc822Name
	URI                             // uniformResourceIdentifier: workflows, SPIFFE
	Username                        // otherName 1.3.6.1.4.1.57264.1.7: name!domain
)

// String names the type for people.
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

// Subject is the one subject alternative name of a certificate.
type Subject struct {
	Type  SubjectType
	Value string
}

// Identity is what a Fulcio certificate says of its holder. Identities are
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
	Build   Build // empty for people
}
