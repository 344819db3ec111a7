// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	"github.com/hallmark-sign/hallmark/policy"
)

// TestAccepting checks that Accepting narrows what counts, and does not change the policy that
// it is called on.
func TestAccepting(t *testing.T) {
	p := policy.ForIdentity("alice@example.com", "https://login.example.com")
	narrow, err := p.Accepting("https://spdx.dev/Document")
	if err != nil {
		t.Fatal(err)
	}
	if got := narrow.Requirements(policy.Facts{}).PredicateTypes; len(got) != 1 || got[0] != "https://spdx.dev/Document" || p.Requirements(policy.Facts{}).PredicateTypes != nil {
		t.Error(got, p.Requirements(policy.Facts{}).PredicateTypes)
	}
	if p.Rules[0].Accepts[0] != policy.Any || narrow.Rules[0].Accepts[0] == policy.Any {
		t.Error(p.Rules, narrow.Rules)
	}
	if _, err := p.Accepting("spdx"); err == nil {
		t.Error("a word that is no URI is accepted")
	}
}
