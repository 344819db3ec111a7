// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
)

// A Rule is met by a token each of whose named claims matches one of its patterns. Of a
// claim that is a list, one item must match. A rule without claims is met by no token.
type Rule map[string][]identity.Pattern

// meets reports whether a token meets the rule, and otherwise which claim does not match.
func (r Rule) meets(s Set, fold bool) (failed string, ok bool) {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if !slices.ContainsFunc(s.Texts(name), func(value string) bool { return matches(r[name], value, fold) }) {
			return name, false
		}
	}
	return "", len(r) > 0
}

func matches(patterns []identity.Pattern, value string, fold bool) bool {
	return slices.ContainsFunc(patterns, func(p identity.Pattern) bool {
		return p.Match(value) || fold && identity.Glob(strings.ToLower(p.String())).Match(strings.ToLower(value))
	})
}

// Rules say which tokens of an issuer get certificates. The zero value allows the tokens
// of an issuer with one tenant.
type Rules struct {
	Allow []Rule // a token must meet one of them, if there are any
	Deny  []Rule // a token must meet none of them; letter case is ignored

	// Tenants reports that strangers get tokens of the issuer too, so that a rule in
	// Allow is needed.
	Tenants bool

	// AllowAllUnsafe allows all tokens of an issuer with Tenants.
	AllowAllUnsafe bool

	// EmailVerifiedString is that of [Email]. The claim email matches no rule in Allow
	// unless it is verified, since users may claim any address.
	EmailVerifiedString bool
}

// Check returns the reason why a token is not allowed.
func (r Rules) Check(s Set) error {
	for i, rule := range r.Deny {
		if _, met := rule.meets(s, true); met {
			return refusef("deny rule %d of this issuer matches (%s)", i+1, rule.names())
		}
	}
	if len(r.Allow) == 0 {
		if r.Tenants && !r.AllowAllUnsafe {
			return Refusal("this issuer has many tenants, and the operator has set no allow rule for it")
		}
		return nil
	}
	var reasons []string
	for i, rule := range r.Allow {
		claim, met := rule.meets(s, false)
		if met && rule["email"] != nil {
			if _, err := Email(s, r.EmailVerifiedString); err != nil {
				claim, met = "email, which is not verified,", false
			}
		}
		if met {
			return nil
		}
		if i < maxReasons {
			reasons = append(reasons, fmt.Sprintf("claim %s does not match allow rule %d", claim, i+1))
		}
	}
	return Refusal("no allow rule of this issuer matches: " + strings.Join(reasons, "; "))
}

// maxReasons bounds how many rules a refusal names.
const maxReasons = 5

// names returns the claims that the rule is about.
func (r Rule) names() string { return strings.Join(slices.Sorted(maps.Keys(r)), ", ") }
