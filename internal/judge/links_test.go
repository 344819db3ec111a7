// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/find"
)

// TestNamedThroughLinks shows that a manifest objects to a file below its directory through
// whatever links the user names it.
func TestNamedThroughLinks(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	for name, c := range map[string]struct {
		cwd, path string
	}{
		"a link to the directory":          {".", "link/b"},
		"a pattern through a link":         {".", "link/*"},
		"the link itself":                  {".", "link"},
		"the parent of a link's target":    {".", "deep/../b"},
		"that, with a pattern":             {".", "deep/../*"},
		"that directory":                   {".", "deep/.."},
		"a working directory that is one":  {"link", "b"},
		"and . there":                      {"link", "."},
		"from a directory beside the link": {"other", "../link/b"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			signManifest(t, s, "dist/release"+find.Suffix, "a", "A", "sub/b", "B")
			signFile(t, s, "dist/sub/b", "old")
			write(t, "dist/.git", "")
			write(t, "dist/sub/deep/x", "")
			write(t, "other/x", "")
			link(t, "dist/sub", "link")
			link(t, "dist/sub/deep", "deep")
			t.Chdir(filepath.Join(dir, c.cwd)) // which leaves PWD with the link in it
			refused := false
			for _, v := range said(t, j, find.Finder{}, c.path) {
				if filepath.Base(v.Name) == "b" {
					refused = v.Problem() != nil && v.Problem().Code == "artifact-mismatch"
				}
			}
			if !refused {
				t.Errorf("%s is not refused", c.path)
			}
		})
	}
}

// TestNamedTwice shows that a manifest is one however its directory is named first.
func TestNamedTwice(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "dist/a", "A")
	signManifest(t, s, "dist/release"+find.Suffix, "a", "A")
	link(t, "dist", "link")
	for _, args := range [][]string{{filepath.Join(dir, "dist"), "dist"}, {"link", "dist"}, {"dist/../dist/a", "link"}} {
		for _, v := range said(t, j, find.Finder{}, args...) {
			if v.Problem() != nil {
				t.Errorf("%s: %s: %v", args, v.Name, v.Problem())
			}
		}
	}
	t.Chdir("dist")
	if all := said(t, j, find.Finder{}, "../dist/a", "."); code(t, all[:1]) != "verified" || len(all) != 2 || code(t, all[1:]) != "verified" {
		t.Errorf("../dist/a and .: %v", all)
	}
}

// TestMissingBehindLink shows that a file is missed that a manifest names in a directory
// that is a link.
func TestMissingBehindLink(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	t.Chdir(t.TempDir())
	signManifest(t, s, "dist/release"+find.Suffix, "sub/b", "B")
	write(t, "elsewhere/x", "")
	link(t, "../elsewhere", "dist/sub")
	for _, form := range []string{"dist", "dist/", "dist/**", ".", "dist/sub/b"} {
		if got := ofFile(t, said(t, j, find.Finder{}, form), "dist/sub/b"); got != "artifact-missing" {
			t.Errorf("%s: %s", form, got)
		}
	}
}

// TestNamesake shows that a file of the name of a manifest does not silence it, though the
// manifest names a file of that name in a directory.
func TestNamesake(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	attestation := func(subjects string) []byte {
		return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[%s],"predicateType":"https://example.com/p","predicate":{}}`, subjects)
	}
	subject := func(name, content string) string {
		return fmt.Sprintf(`{"name":%q,"digest":{"sha256":"%x"}}`, name, sha256.Sum256([]byte(content)))
	}
	for name, sign := range map[string]func(){
		"manifest of one file":    func() { signManifest(t, s, "dist/release"+find.Suffix, "sub/release", "R") },
		"attestation on one file": func() { signPayload(t, s, "dist/release"+find.Suffix, attestation(subject("sub/release", "R"))) },
		"attestation on several": func() {
			signPayload(t, s, "dist/release"+find.Suffix, attestation(subject("sub/release", "R")+","+subject("c", "C")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			sign()
			signFile(t, s, "dist/sub/release", "old")
			write(t, "dist/release", "R")
			for _, form := range []string{"dist", "dist/sub/release", "."} {
				if got := ofFile(t, said(t, j, find.Finder{}, form), "dist/sub/release"); got != "artifact-mismatch" {
					t.Errorf("%s: %s", form, got)
				}
			}
		})
	}
}

// TestManyAttestations shows that bundles of the files beside them are not counted as
// manifests.
func TestManyAttestations(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	t.Chdir(t.TempDir())
	write(t, "f", "content")
	signPayload(t, s, "f"+find.Suffix, fmt.Appendf(nil,
		`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"f","digest":{"sha256":"%x"}}],"predicateType":"https://example.com/p","predicate":{}}`,
		sha256.Sum256([]byte("content"))))
	for n := range 1100 {
		copyFile(t, "f", fmt.Sprint("d/", n))
		copyFile(t, "f"+find.Suffix, fmt.Sprint("d/", n, find.Suffix))
	}
	if got := ofFile(t, said(t, j, find.Finder{}, "d/1"), "d/1"); got != "verified" {
		t.Error(got)
	}
}

// TestLongList shows that a signed list that is too long to be read is not passed by.
func TestLongList(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	t.Chdir(t.TempDir())
	var list bytes.Buffer
	for n := range 80_000 {
		fmt.Fprintf(&list, "%x  %d\n", sha256.Sum256([]byte("B")), n)
	}
	signFile(t, s, "1", "old")
	if err := os.WriteFile("SHA256SUMS", list.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ofFile(t, said(t, j, find.Finder{}, "1"), "1"); got != "verified" {
		t.Errorf("next to an unsigned list: %s", got)
	}
	signFile(t, s, "SHA256SUMS", list.String())
	if got := ofFile(t, said(t, j, find.Finder{}, "1"), "1"); got != "could-not-look" {
		t.Error(got)
	}
}
