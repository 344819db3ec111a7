// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"net/url"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
)

// Email returns the address in the claim email, which must be verified. Some issuers
// write the string "true" in email_verified (Entra ID, Cognito). Others use the string
// for an address that the user merely claims, so it counts only if the operator allows
// it.
func Email(s Set, verifiedString bool) (identity.Subject, error) {
	address, ok := s.Text("email")
	if !ok || address == "" {
		return identity.Subject{}, Refusal("claim email is missing: ask the issuer for the scope email")
	}
	switch verified := string(s["email_verified"]); {
	case verified == "true", verified == `"true"` && verifiedString:
	case verified == "":
		return identity.Subject{}, Refusal("claim email_verified is missing, want true")
	case verified == `"true"`:
		return identity.Subject{}, Refusal(`claim email_verified is the string "true", want the value true; the operator can allow it with email_verified_string`)
	default:
		return identity.Subject{}, Refusal("claim email_verified is not true: the email address is not verified")
	}
	if !isAddress(address) {
		return identity.Subject{}, Refusal("claim email is not an address")
	}
	return identity.Subject{Type: identity.Email, Value: address}, nil
}

// isAddress refuses text that a reader of the certificate could take for
// another address, or that deny rules would not: it requires exactly one @, no spaces, quotes or
// brackets, and no dot at the end, as RFC 5321 does.
func isAddress(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && domain != "" && len(text) <= 320 &&
		!strings.ContainsAny(text, " \"(),:;<>[\\]") && !strings.Contains(domain, "@") && !strings.HasSuffix(domain, ".")
}

// URI returns the claim sub, a URI with the scheme and host of domain, for example
// https://example.com.
func URI(s Set, domain string) (identity.Subject, error) {
	sub, _ := s.Text("sub")
	if !hasOrigin(sub, domain) {
		return identity.Subject{}, refusef("claim sub is not a URI below %s", domain)
	}
	return identity.Subject{Type: identity.URI, Value: sub}, nil
}

// hasOrigin reports whether uri has the scheme and the host of origin, which is
// SCHEME://HOST.
func hasOrigin(uri, origin string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.User == nil && u.Opaque == "" && u.Host != "" && u.Scheme+"://"+u.Host == origin &&
		strings.HasPrefix(uri, origin)
}

// Username returns name!domain, with the name in the claim sub.
func Username(s Set, domain string) (identity.Subject, error) {
	name, _ := s.Text("sub")
	switch {
	case name == "":
		return identity.Subject{}, Refusal("claim sub is missing")
	case strings.ContainsAny(name, "!@"):
		return identity.Subject{}, Refusal("claim sub is not a username: it contains ! or @")
	}
	return identity.Subject{Type: identity.Username, Value: name + "!" + domain}, nil
}
