// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/verify"
)

// TestConditionTooCostly checks that a condition that is too costly neither accepts nor
// refuses, and does no harm if the other signatures are enough.
func TestConditionTooCostly(t *testing.T) {
	const l = ".map(s, s + s + s + s)"
	const costly, cheap = `{"l": true}`, `{"l": false}`
	rules := `version: 1
signers:
  alice: {email: alice@example.com, issuer: https://login.example.com}
  bob: {email: bob@example.com, issuer: https://login.example.com}
require:
  - signedBy: [alice, bob]
    atLeast: 1
    accepts: [https://example.com/p]
    where: "!predicate.l || ['x']` + strings.Repeat(l, 14) + `.size() == 1"
`
	p := parse(t, rules)
	of := func(who, predicate string) *verify.Result {
		return stating(by(who), "https://example.com/p", predicate)
	}
	alice, bob := of("alice@example.com", costly), of("bob@example.com", cheap)
	settles(t, "alone", p, verify.ConditionTooCostly, alice)
	settles(t, "beside one that is enough", p, "", alice, bob)
	settles(t, "a stranger's", p, verify.IdentityMismatch, of("mallory@evil.example", costly))
	settles(t, "beside a stranger", p, verify.ConditionTooCostly, of("mallory@evil.example", cheap), alice, by("mallory@evil.example"))
	if !p.Counts(alice) || p.Counts(of("mallory@evil.example", costly)) {
		t.Error("Counts is wrong")
	}
	two := parse(t, strings.Replace(rules, "atLeast: 1", "atLeast: 2", 1))
	settles(t, "one of two", two, verify.ConditionTooCostly, alice, bob)
	other := parse(t, rules+"  - {signedBy: [bob], accepts: [https://example.com/q]}\n")
	settles(t, "another rule refuses", other, verify.PredicateTypeMismatch, alice, bob)
}
