package identity

// Matcher names one identity that a verifier accepts. Both Subject and Issuer
// are needed: a subject means nothing without the issuer that vouched for it.
// The zero Matcher, like one with an empty field, matches nothing.
type Matcher struct {
	Subject string
	Issuer  string
	Type    SubjectType // zero: any form of subject
}

// Match compares byte for byte: no folding of case, no slash forgiven.
func (m Matcher) Match(id Identity) bool {
	return m.Subject != "" && m.Issuer != "" &&
		m.Subject == id.Subject.Value && m.Issuer == id.Issuer &&
		(m.Type == 0 || m.Type == id.Subject.Type)
}
