// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"errors"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/policy"
)

// TestFailsClosed shows that an error of the policy that is no refusal of its own is never
// taken for a yes.
func TestFailsClosed(t *testing.T) {
	undecided := func(err error) {
		t.Helper()
		if p := fault.Of(err); p == nil || p.Code != "failed" || p.Exit != fault.ExitUndecided {
			t.Errorf("%+v", err)
		}
	}
	j := &Judge{}
	v := &Verdict{evaluation: new(policy.Evaluation)} // not made by Policy.Begin
	j.decide(t.Context(), v, &attempt{Evidence: find.Evidence{Sources: []find.Source{{File: "bundle"}}}})
	undecided(v.Err)

	j = &Judge{facts: errors.New("facts are down")}
	j.begun.Do(func() {})
	_, err := j.begin("file")
	undecided(err)
}
