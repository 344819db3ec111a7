// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
)

// One call decides: it verifies the bundles of a file and checks them against the policy.
func ExamplePolicy_Verify() {
	const dir = "../verify/testdata/example/"
	rawRoot, errRoot := os.ReadFile(dir + "trusted_root.json")
	rawBundle, errBundle := os.ReadFile(dir + "release.bundle.json")
	file, errFile := os.Open(dir + "release.txt")
	if err := errors.Join(errRoot, errBundle, errFile); err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	root, errRoot := trust.Parse(rawRoot)
	b, errBundle := bundle.Parse(rawBundle)
	p, errPolicy := policy.Parse([]byte(`
version: 1
signers:
  alice: {email: alice@example.com, issuer: http://localhost:7777}
require:
  - {signedBy: [alice]}
`), nil)
	if err := errors.Join(errRoot, errBundle, errPolicy); err != nil {
		fmt.Println(err)
		return
	}
	v, err := verify.New(root)
	if err != nil {
		fmt.Println(err)
		return
	}
	facts := policy.Facts{Now: time.Now(), Witnesses: policy.KnownWitnesses()} // the instance requires no witnesses
	outcome, err := p.Verify(v, verify.FromReader(file), []*bundle.Bundle{b}, facts)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, counted := range outcome.Rules {
		for name := range counted.Signers {
			fmt.Println("signed by", name)
		}
	}
	// Output: signed by alice
}
