// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"errors"
	"strings"
)

// parseEmail parses the address of an account and converts its domain to lower
// case. The local part is kept and compared unchanged: its interpretation is up
// to the domain (RFC 5321 §2.4).
//
// "addr-spec = local-part "@" domain" (RFC 5322 §3.4.1), where local-part is a
// dot-atom of at most 64 bytes and domain a host name of at most 255 (RFC 5321
// §4.5.3.1): no quoted strings, comments, address literals or other scripts.
func parseEmail(text string) (string, error) {
	local, domain, ok := strings.Cut(text, "@")
	if !ok || !isDotAtom(local) || len(local) > 64 {
		return "", errors.New("not an email address such as alice@example.com")
	}
	domain = strings.ToLower(domain)
	if !isHostName(domain) {
		return "", errors.New("the part after @ is not a domain such as example.com")
	}
	return local + "@" + domain, nil
}

// isDotAtom reports whether text is "dot-atom-text = 1*atext *("." 1*atext)"
// (RFC 5322 §3.2.3).
func isDotAtom(text string) bool {
	for atom := range strings.SplitSeq(text, ".") {
		if atom == "" || strings.IndexFunc(atom, func(r rune) bool { return !isAtext(r) }) >= 0 {
			return false
		}
	}
	return true
}

func isAtext(r rune) bool {
	return isLetterOrDigit(r) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

func isLetterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// isHostName reports whether text consists of labels of letters, digits and
// inner hyphens (RFC 1123 §2.1).
func isHostName(text string) bool {
	if len(text) > 255 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.IndexFunc(label, func(r rune) bool { return !isLetterOrDigit(r) && r != '-' }) >= 0 {
			return false
		}
	}
	return true
}
