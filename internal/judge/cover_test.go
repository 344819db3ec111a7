// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// forms are the ways in which a user names dist/sub/b and more, from the directory above
// dist.
var forms = []string{"dist", "dist/", "dist/sub", "dist/sub/b", "./dist/../dist/sub/b", "dist/sub/*", "dist/**/b", "**", "."}

// TestNamedAnyWay shows that a manifest and a signed list count for a file, and object
// to it, however the file is named.
func TestNamedAnyWay(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	for kind, sign := range map[string]func(dir string){
		"manifest": func(dir string) {
			signManifest(t, s, filepath.Join(dir, "dist", "release"+find.Suffix), "a", "A", "sub/b", "B")
		},
		"manifest beside the directory": func(dir string) {
			signManifest(t, s, filepath.Join(dir, "release"+find.Suffix), "dist/a", "A", "dist/sub/b", "B")
		},
		"list": func(dir string) {
			signFile(t, s, filepath.Join(dir, "dist", "SHA256SUMS"), fmt.Sprintf("%x  a\n%x  sub/b\n", sha256.Sum256([]byte("A")), sha256.Sum256([]byte("B"))))
		},
		"list behind a link": func(dir string) {
			signFile(t, s, filepath.Join(dir, "dist", "SHA256SUMS"), fmt.Sprintf("%x  a\n%x  sub/b\n", sha256.Sum256([]byte("A")), sha256.Sum256([]byte("B"))))
			move(t, filepath.Join(dir, "dist", "SHA256SUMS"), filepath.Join(dir, "elsewhere", "list"))
			link(t, filepath.Join(dir, "elsewhere", "list"), filepath.Join(dir, "dist", "SHA256SUMS"))
		},
	} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			write(t, "dist/a", "A")
			write(t, "dist/sub/b", "B")
			sign(dir)
			for _, form := range forms {
				if got := ofFile(t, said(t, j, find.Finder{}, form), "dist/sub/b"); got != "verified" {
					t.Errorf("%s: %s", form, got)
				}
			}
			signFile(t, s, "dist/sub/b", "an older version")
			for _, form := range append(forms, filepath.Join(dir, "dist/sub/b")) {
				if got := ofFile(t, said(t, j, find.Finder{}, form), "dist/sub/b"); got != "artifact-mismatch" {
					t.Errorf("%s, replaced: %s", form, got)
				}
			}
			remove(t, "dist/sub/b")
			remove(t, "dist/sub/b"+find.Suffix)
			if strings.HasPrefix(kind, "list") {
				return // which may name more than is kept
			}
			for _, form := range forms {
				if got := ofFile(t, said(t, j, find.Finder{}, form), "dist/sub/b"); got != "artifact-missing" {
					t.Errorf("%s, missing: %s", form, got)
				}
			}
		})
	}
}

// ofFile returns the code of the verdict on one file among others.
func ofFile(t *testing.T, all []judge.Verdict, path string) string {
	t.Helper()
	for _, v := range all {
		name, err := filepath.Abs(v.Name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		if name == want {
			return code(t, []judge.Verdict{v})
		}
	}
	return "no verdict"
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Skipf("no links here: %v", err)
	}
}

// TestSearchEnds shows how far up lists and manifests are looked for.
func TestSearchEnds(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	for name, c := range map[string]struct {
		cwd     string
		prepare func(t *testing.T)
		path    string
		want    string
	}{
		"working directory":             {"top/dist", nil, "sub/b", "unsigned"},
		"the file's own directory":      {"top/dist/sub", nil, "b", "unsigned"},
		"above":                         {"top", nil, "dist/sub/b", "verified"},
		"far above":                     {".", nil, "top/dist/sub/b", "verified"},
		"from beside":                   {"top/other", nil, "../dist/sub/b", "verified"},
		"root of a repository":          {"top/dist/sub", func(t *testing.T) { write(t, "top/.git/HEAD", "") }, "b", "verified"},
		"a repository below":            {"top", func(t *testing.T) { write(t, "top/dist/sub/.git", "") }, "dist/sub/b", "verified"},
		"a repository below, from it":   {"top/dist/sub", func(t *testing.T) { write(t, "top/.git", ""); write(t, "top/dist/sub/.git", "") }, "b", "verified"},
		"across owners":                 {"top", func(t *testing.T) { chown(t, "top/dist/sub"); chown(t, "top/dist") }, "dist/sub/b", "unsigned"},
		"up to the owner's own highest": {"top", func(t *testing.T) { chown(t, "top/dist/sub"); chown(t, "top/dist"); chown(t, "top") }, "dist/sub/b", "verified"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			write(t, "top/dist/sub/b", "B")
			write(t, "top/other/x", "")
			signManifest(t, s, "top/release"+find.Suffix, "dist/sub/b", "B")
			if c.prepare != nil {
				c.prepare(t)
			}
			t.Chdir(filepath.Join(dir, c.cwd))
			if got := ofFile(t, said(t, j, find.Finder{}, c.path), c.path); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func chown(t *testing.T, path string) {
	t.Helper()
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Skipf("needs root: %v", err)
	}
}

// TestNotNamed shows what is said of a file that no list names.
func TestNotNamed(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	t.Chdir(t.TempDir())
	signManifest(t, s, "dist/release"+find.Suffix, "a", "A")
	signFile(t, s, "dist/SHA256SUMS", fmt.Sprintf("%x  a\n", sha256.Sum256([]byte("A"))))
	write(t, "dist/a", "A")
	write(t, "dist/added", "A")
	p := said(t, j, find.Finder{}, "dist/added")[0].Problem()
	const want = "there is no dist/added.sigstore.json, and it is not named in dist/SHA256SUMS, dist/release.sigstore.json"
	if p == nil || p.Code != "unsigned" || p.Error() != want {
		t.Errorf("%v\nwant %s", p, want)
	}
	signFile(t, s, "dist/added", "A")
	if got := ofFile(t, said(t, j, find.Finder{}, "dist"), "dist/added"); got != "verified" {
		t.Errorf("with a signature of its own: %s", got)
	}
}

// TestRenamedAttestation shows that the bundle of a renamed file is no manifest.
func TestRenamedAttestation(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	t.Chdir(t.TempDir())
	write(t, "new", "content")
	sum := sha256.Sum256([]byte("content"))
	signPayload(t, s, "new"+find.Suffix, fmt.Appendf(nil,
		`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"old","digest":{"sha256":"%x"}}],"predicateType":"https://example.com/p","predicate":{}}`, sum))
	all := said(t, j, find.Finder{}, ".")
	if got := ofFile(t, all, "new"); got != "verified" || len(all) != 1 {
		t.Errorf("%s, %d verdicts", got, len(all))
	}
}

// TestAddedFiles shows that no file that is added, linked or renamed makes an artifact
// verify that a signed list or a manifest objects to by name, nor a missing one go
// unnoticed. What is added is what an attacker has: older signed versions with their
// bundles, manifests and lists, and files of any name.
func TestAddedFiles(t *testing.T) {
	i := hallmarktest.New(t)
	j, s, mallory := newJudge(t, i), i.Signer(t, alice), i.Signer(t, "mallory@example.com")
	pool := t.TempDir()
	signFile(t, s, filepath.Join(pool, "old"), "old")
	signFile(t, s, filepath.Join(pool, "oldsums"), fmt.Sprintf("%x  b\n", sha256.Sum256([]byte("old"))))
	signManifest(t, s, filepath.Join(pool, "oldmanifest"+find.Suffix), "b", "old", "sub/b", "old")
	signManifest(t, mallory, filepath.Join(pool, "evil"+find.Suffix), "b", "old", "sub/b", "old", "c", "C")
	write(t, filepath.Join(pool, "junk"), "junk")
	write(t, filepath.Join(pool, "manifest-like.json"), `{"dsseEnvelope":{"payload":"AAAA"}}`)
	have, err := filepath.Glob(filepath.Join(pool, "*"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{
		"release", "release.sigstore.jsonl", "release.sigstore", "SHA256SUMS", "sha256sums.txt", "checksums.txt", "b", "b.sigstore.json", "b.sigstore.jsonl", "c", ".git",
		"SHA256SUMS.sigstore.json", "SHA256SUMS.sigstore.jsonl", "x", "x.sigstore.json", "a.sigstore.json", "old", "old.sigstore.json", "list", "list.sigstore.json",
	}
	for seed := range uint64(testkit.Rounds(8, 80)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 12))
			t.Chdir(t.TempDir())
			write(t, "dist/a", "A")
			write(t, "dist/c", "C")
			mentioned := func(content string) [32]byte { return sha256.Sum256([]byte(content)) }
			if seed%2 == 0 {
				signManifest(t, s, "dist/release"+find.Suffix, "a", "A", "sub/b", "B", "c", "C")
			} else {
				signFile(t, s, "dist/list_checksums", fmt.Sprintf("%x  a\n%x  sub/b\n%x  c\n", mentioned("A"), mentioned("B"), mentioned("C")))
			}
			signFile(t, s, "dist/sub/b", "old")
			remove(t, "dist/c")
			kept := map[string]bool{"dist/release.sigstore.json": true, "dist/list_checksums": true, "dist/list_checksums.sigstore.json": true, "dist/sub/b": true, "dist/c": true}
			for range 1 + r.IntN(6) {
				vandalize(t, r, have, names, kept)
			}
			for _, form := range forms {
				all := said(t, j, find.Finder{}, form)
				if got := ofFile(t, all, "dist/sub/b"); got == "verified" {
					t.Errorf("%s: dist/sub/b is verified\n%s", form, tree(t))
				}
				if got := ofFile(t, all, "dist/c"); seed%2 == 0 && (form == "dist" || form == "**" || form == ".") && got != "artifact-missing" {
					t.Errorf("%s: dist/c: %s\n%s", form, got, tree(t))
				}
			}
		})
	}
}

// vandalize adds, links or renames one file below dist, but for those that are kept.
func vandalize(t *testing.T, r *rand.Rand, have, names []string, kept map[string]bool) {
	t.Helper()
	place := filepath.Join([]string{"dist", "dist/sub", "."}[r.IntN(3)], names[r.IntN(len(names))])
	if kept[filepath.ToSlash(place)] {
		return
	}
	from := have[r.IntN(len(have))]
	_ = os.Remove(place)
	switch r.IntN(3) {
	case 0:
		copyFile(t, from, place)
	case 1:
		link(t, from, place)
	case 2:
		copyFile(t, from, place+".new")
		move(t, place+".new", place)
	}
}

func tree(t *testing.T) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}
