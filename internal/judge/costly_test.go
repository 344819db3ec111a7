// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
)

// TestConditionTooCostly checks that a condition that is too costly leaves the artifact
// undecided. The same holds for a manifest that may count: files that it contradicts are
// neither refused nor verified by another bundle.
func TestConditionTooCostly(t *testing.T) {
	i := hallmarktest.New(t)
	j, byAlice := newJudge(t, i), i.Signer(t, alice)
	var err error
	j.Policy, err = policy.Parse([]byte(`version: 1
signers:
  alice: {email: "`+alice+`", issuer: "`+i.URL+`"}
require:
  - signedBy: [alice]
    accepts: [https://sigstore.dev/cosign/sign/v1]
    where: "size(subject) < 2 || ['x']`+strings.Repeat(".map(s, s + s + s + s)", 14)+`.size() == 1"
`), cel.Compile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	manifest := filepath.Join(dir, "release"+find.Suffix)
	signManifest(t, byAlice, manifest, "same", "1", "changed", "1", "own", "1", "own-changed", "1")
	for name, content := range map[string]string{"same": "1", "changed": "2", "own": "1", "own-changed": "2"} {
		write(t, filepath.Join(dir, name), content)
		if strings.HasPrefix(name, "own") {
			signManifest(t, byAlice, filepath.Join(dir, name+find.Suffix), name, content)
		}
	}
	all := said(t, j, find.Finder{}, dir)
	const costly = "condition-too-costly"
	if got, want := codes(t, dir, all), "changed "+costly+", own verified, own-changed "+costly+", same "+costly; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, v := range all {
		if v.Problem() != nil && v.Problem().Exit != fault.ExitUndecided {
			t.Errorf("%s: exit status %d", v.Name, v.Problem().Exit)
		}
	}
}
