// SPDX-License-Identifier: Apache-2.0

package hallmark_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
)

// The next function is a block of the README: TestReadme compares the two.

func check(artifact io.Reader, bundleJSON, rootJSON, policyYAML []byte) (*policy.Outcome, error) {
	b, errBundle := bundle.Parse(bundleJSON)
	root, errRoot := trust.Parse(rootJSON)
	p, errPolicy := policy.Parse(policyYAML, cel.Compile)
	if err := errors.Join(errBundle, errRoot, errPolicy); err != nil {
		return nil, err
	}
	v, err := verify.New(root)
	if err != nil {
		return nil, err
	}
	facts := policy.Facts{Now: time.Now(), Witnesses: policy.KnownWitnesses()} // the instance demands no witnesses
	return p.Verify(v, verify.FromReader(artifact), []*bundle.Bundle{b}, facts)
}

// TestReadme checks that the README's Go code is compiled here, and that it accepts what
// was signed and nothing else.
func TestReadme(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(page), "```go\n")
	block, _, _ = strings.Cut(block, "```\n")
	if !found || !strings.Contains(string(code), block) {
		t.Error("the README's Go code is not in readme_test.go")
	}
	i := hallmarktest.New(t)
	const alice, content = "alice@example.com", "a release"
	b := i.Sign(t, alice, strings.NewReader(content))
	raw, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(i.TrustedRootFile)
	if err != nil {
		t.Fatal(err)
	}
	rules := "version: 1\nsigners: {alice: {email: " + alice + ", issuer: '" + i.URL + "'}}\nrequire: [{signedBy: [alice]}]\n"
	if _, err := check(strings.NewReader(content), raw, root, []byte(rules)); err != nil {
		t.Error(err)
	}
	if _, err := check(strings.NewReader("another"), raw, root, []byte(rules)); err == nil {
		t.Error("another artifact was accepted")
	}
}
