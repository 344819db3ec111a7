// SPDX-License-Identifier: Apache-2.0

package hallmarktest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/verify"
)

// Example tests a program that accepts releases: it signs one at an instance of its own, and
// verifies it with that instance's trusted root.
func Example() {
	_ = func(t *testing.T) {
		instance := hallmarktest.New(t)
		b := instance.Sign(t, "alice@example.com", strings.NewReader("a release"))

		v, err := verify.New(instance.Root)
		if err != nil {
			t.Fatal(err)
		}
		p := policy.ForIdentity("alice@example.com", instance.URL)
		facts := policy.Facts{Now: time.Now(), Witnesses: policy.KnownWitnesses()}
		artifact := verify.FromReader(strings.NewReader("a release"))
		if _, err := p.Verify(v, artifact, []*bundle.Bundle{b}, facts); err != nil {
			t.Error(err)
		}
	}
}
