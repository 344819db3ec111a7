// SPDX-License-Identifier: Apache-2.0

package attestations

import (
	"fmt"
	"net/url"
	"strings"
)

// Link returns one link of a Link header (RFC 8288 §3):
//
//	<https://sign.example.com/api/v1/bundles/sha256:9f86…?after=30>; rel="next"
func Link(target, relation string) string { return fmt.Sprintf(`<%s>; rel="%s"`, target, relation) }

// Next returns the query of the next page and reports whether there is one.
// headers are the values of Link headers. Only the query of the link's address
// is used, so that a server can't direct its client to another host or path.
// Errors match [ErrMalformed].
func Next(headers []string) (query string, more bool, err error) {
	for _, header := range headers {
		for rest := header; rest != ""; {
			var target, parameters string
			if target, parameters, rest, err = cutLink(rest); err != nil {
				return "", false, err
			}
			if relation(parameters) != "next" {
				continue
			}
			u, err := url.Parse(target)
			if err != nil {
				return "", false, fmt.Errorf("parsing Link: %w: %w", ErrMalformed, err)
			}
			return u.Query().Encode(), true, nil
		}
	}
	return "", false, nil
}

// cutLink splits off the first link: "<" URI ">" and parameters, up to a comma
// outside quotes.
func cutLink(text string) (target, parameters, rest string, err error) {
	target, rest, ok := strings.Cut(strings.TrimLeft(text, " \t,"), ">")
	target, opened := strings.CutPrefix(target, "<")
	if !ok || !opened {
		return "", "", "", fmt.Errorf("parsing Link: %.60q: %w", text, ErrMalformed)
	}
	quoted := false
	for i := range len(rest) {
		switch {
		case rest[i] == '"':
			quoted = !quoted
		case rest[i] == ',' && !quoted:
			return target, rest[:i], strings.TrimLeft(rest[i:], " \t,"), nil
		}
	}
	return target, rest, "", nil
}

// relation returns the value of the parameter rel.
func relation(parameters string) string {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(strings.TrimSpace(name), "rel") {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}
