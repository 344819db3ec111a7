// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// signManifest writes a bundle whose statement has the subjects, names and contents
// by turns.
func signManifest(t testing.TB, s sign.Signer, path string, namesAndContents ...string) {
	t.Helper()
	what := intoto.Statement{Type: intoto.TypeV1, PredicateType: intoto.TypeSigned, Predicate: []byte("{}")}
	for i := 0; i < len(namesAndContents); i += 2 {
		sum := sha256.Sum256([]byte(namesAndContents[i+1]))
		what.Subject = append(what.Subject, intoto.Subject{Name: namesAndContents[i], Digest: map[string]string{"sha256": hex.EncodeToString(sum[:])}})
	}
	payload, err := what.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	signPayload(t, s, path, payload)
}

func signPayload(t testing.TB, s sign.Signer, path string, payload []byte) {
	t.Helper()
	b, err := s.Envelope(t.Context(), dsse.PayloadTypeInToto, payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(raw))
}

// codes returns the codes of the verdicts, with paths below dir.
func codes(t *testing.T, dir string, all []judge.Verdict) string {
	t.Helper()
	published := schema(t)
	var out []string
	for _, v := range all {
		checkReport(t, published, v)
		name, err := filepath.Rel(dir, v.Name)
		if err != nil {
			t.Fatal(err)
		}
		word := "verified"
		if v.Problem() != nil {
			word = v.Problem().Code
		}
		out = append(out, name+" "+word)
	}
	return strings.Join(out, ", ")
}

// TestManifest checks that a manifest verifies files with the names and digests in it.
func TestManifest(t *testing.T) {
	i := hallmarktest.New(t)
	j, byAlice, byBob := newJudge(t, i), i.Signer(t, alice), i.Signer(t, "bob@example.com")
	for name, c := range map[string]struct {
		change func(dir string)
		want   string
	}{
		"as it was signed": {func(string) {}, "a verified, sub/b verified"},
		"a changed file": {
			func(dir string) { write(t, filepath.Join(dir, "a"), "changed") },
			"a artifact-mismatch, sub/b verified",
		},
		"two files exchanged": {
			func(dir string) {
				write(t, filepath.Join(dir, "a"), "B")
				write(t, filepath.Join(dir, "sub", "b"), "A")
			},
			"a artifact-mismatch, sub/b artifact-mismatch",
		},
		"a missing file": {
			func(dir string) { remove(t, filepath.Join(dir, "sub", "b")) },
			"a verified, sub/b artifact-missing",
		},
		"everything is missing": {
			func(dir string) { remove(t, filepath.Join(dir, "sub")); remove(t, filepath.Join(dir, "a")) },
			"a artifact-missing, sub/b artifact-missing",
		},
		"a directory in place of a file": {
			func(dir string) { remove(t, filepath.Join(dir, "a")); write(t, filepath.Join(dir, "a", ".keep"), "") },
			"a/.keep unsigned, sub/b verified, a artifact-missing",
		},
		"a file that it does not name": {
			func(dir string) { write(t, filepath.Join(dir, "c"), "A") },
			"a verified, c unsigned, sub/b verified",
		},
		"a file with a refused bundle of its own": {
			func(dir string) { signFile(t, byBob, filepath.Join(dir, "a"), "A") },
			"a verified, sub/b verified",
		},
		"a second manifest, by another signer, does no harm": {
			func(dir string) { signManifest(t, byBob, filepath.Join(dir, "evil"+find.Suffix), "a", "evil") },
			"a verified, sub/b verified",
		},
		"what only another signer names is not signed": {
			func(dir string) {
				signManifest(t, byBob, filepath.Join(dir, "evil"+find.Suffix), "c", "C")
				write(t, filepath.Join(dir, "c"), "C")
			},
			"a verified, c identity-mismatch, sub/b verified",
		},
		"another signer's in place of it": {
			func(dir string) {
				signManifest(t, byBob, filepath.Join(dir, "release"+find.Suffix), "a", "A", "sub/b", "B")
			},
			"a identity-mismatch, sub/b identity-mismatch",
		},
		"a changed manifest": {
			func(dir string) {
				path := filepath.Join(dir, "release"+find.Suffix)
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				_, rest, _ := strings.Cut(string(raw), `"payload":"`)
				was, _, _ := strings.Cut(rest, `"`)
				payload, err := base64.StdEncoding.DecodeString(was)
				if err != nil {
					t.Fatal(err)
				}
				now := base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(payload), `"name":"a"`, `"name":"x"`, 1)))
				write(t, path, strings.Replace(string(raw), was, now, 1))
			},
			"a unsigned, sub/b log-entry-mismatch, x log-entry-mismatch",
		},
		"an image in it is not looked for": {
			func(dir string) {
				digest := sha256.Sum256([]byte("image"))
				signManifest(t, byAlice, filepath.Join(dir, "release"+find.Suffix), "a", "A", "sub/b", "B", "127.0.0.1:5000/a@sha256:"+hex.EncodeToString(digest[:]), "image")
			},
			"a verified, sub/b verified",
		},
		"a bundle is a file like any other where it is named": {
			func(dir string) {
				signManifest(t, byAlice, filepath.Join(dir, "release"+find.Suffix), "a", "A", "sub/b", "B", "c"+find.Suffix, "C")
				write(t, filepath.Join(dir, "c"+find.Suffix), "changed")
			},
			"a verified, c.sigstore.json artifact-mismatch, sub/b verified",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a"), "A")
			write(t, filepath.Join(dir, "sub", "b"), "B")
			signManifest(t, byAlice, filepath.Join(dir, "release"+find.Suffix), "a", "A", "sub/b", "B")
			c.change(dir)
			got := codes(t, dir, said(t, j, find.Finder{}, dir))
			if got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// TestContradicted checks that a file must be the one that each accepted manifest and list names,
// regardless of other bundles next to it, and that those of strangers are ignored.
func TestContradicted(t *testing.T) {
	i := hallmarktest.New(t)
	j, byAlice, byBob := newJudge(t, i), i.Signer(t, alice), i.Signer(t, "bob@example.com")
	sums := func(s sign.Signer, dir, content string) {
		signFile(t, s, filepath.Join(dir, "SHA256SUMS"), fmt.Sprintf("%x  tool\n", sha256.Sum256([]byte(content))))
	}
	for name, c := range map[string]struct {
		prepare func(dir string)
		want    string
	}{
		"exchanged, the manifest copied": {func(dir string) {
			signManifest(t, byAlice, filepath.Join(dir, "v"+find.Suffix), "tool", "safe", "wipe", "rm")
			write(t, filepath.Join(dir, "wipe"), "rm")
			write(t, filepath.Join(dir, "tool"), "rm")
			copyFile(t, filepath.Join(dir, "v"+find.Suffix), filepath.Join(dir, "tool"+find.Suffix))
		}, "tool artifact-mismatch, wipe verified"},
		"added, the manifest copied": {func(dir string) {
			signManifest(t, byAlice, filepath.Join(dir, "v"+find.Suffix), "a", "A", "b", "B")
			for path, content := range map[string]string{"a": "A", "b": "B", "c": "A"} {
				write(t, filepath.Join(dir, path), content)
			}
			copyFile(t, filepath.Join(dir, "v"+find.Suffix), filepath.Join(dir, "c"+find.Suffix))
		}, "a verified, b verified, c subject-mismatch"},
		"rolled back, with the old manifest": {func(dir string) {
			write(t, filepath.Join(dir, "tool"), "old")
			signManifest(t, byAlice, filepath.Join(dir, "v1"+find.Suffix), "tool", "old")
			signManifest(t, byAlice, filepath.Join(dir, "v2"+find.Suffix), "tool", "new")
		}, "tool artifact-mismatch"},
		"rolled back, with its own bundle": {func(dir string) {
			signFile(t, byAlice, filepath.Join(dir, "tool"), "old")
			sums(byAlice, dir, "new")
		}, "SHA256SUMS verified, tool artifact-mismatch"},
		"manifests that agree": {func(dir string) {
			write(t, filepath.Join(dir, "tool"), "new")
			signManifest(t, byAlice, filepath.Join(dir, "v1"+find.Suffix), "tool", "new")
			signManifest(t, byAlice, filepath.Join(dir, "v2"+find.Suffix), "tool", "new")
			sums(byAlice, dir, "new")
		}, "SHA256SUMS verified, tool verified"},
		"a stranger's manifest and list beside a bundle": {func(dir string) {
			signFile(t, byAlice, filepath.Join(dir, "tool"), "new")
			signManifest(t, byBob, filepath.Join(dir, "v"+find.Suffix), "tool", "other")
			write(t, filepath.Join(dir, "SHA256SUMS"), strings.Repeat("0", 64)+"  tool\n")
		}, "SHA256SUMS unsigned, tool verified"},
		"a stranger's list below a manifest": {func(dir string) {
			write(t, filepath.Join(dir, "sub", "tool"), "new")
			signManifest(t, byAlice, filepath.Join(dir, "v"+find.Suffix), "sub/tool", "new")
			sums(byBob, filepath.Join(dir, "sub"), "other")
		}, "sub/SHA256SUMS identity-mismatch, sub/tool verified"},
		"a missing file that has a bundle": {func(dir string) {
			signFile(t, byAlice, filepath.Join(dir, "tool"), "new")
			remove(t, filepath.Join(dir, "tool"))
			signManifest(t, byAlice, filepath.Join(dir, "v"+find.Suffix), "tool", "new")
		}, "tool artifact-missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.prepare(dir)
			if got := codes(t, dir, said(t, j, find.Finder{}, dir)); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(raw))
}

// TestManifestMalformed uses statements that name no files, or by invalid names.
func TestManifestMalformed(t *testing.T) {
	i := hallmarktest.New(t)
	j, s := newJudge(t, i), i.Signer(t, alice)
	for name, c := range map[string]struct {
		subjects []string
		want     string
	}{
		"outside":                    {[]string{"a", "A", "../outside", "x"}, "a unsigned, release.sigstore.json manifest-malformed"},
		"absolute":                   {[]string{"a", "A", "/etc/passwd", "x"}, "a unsigned, release.sigstore.json manifest-malformed"},
		"two spellings":              {[]string{"a", "A", "./a", "A"}, "a unsigned, release.sigstore.json manifest-malformed"},
		"no name":                    {[]string{"a", "A", "", "x"}, "a unsigned, release.sigstore.json manifest-malformed"},
		"the same name twice":        {[]string{"a", "A", "a", "B"}, "a artifact-mismatch, release.sigstore.json manifest-malformed"},
		"two names, the same digest": {[]string{"a", "A", "b", "A"}, "a verified, b artifact-missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a"), "A")
			signManifest(t, s, filepath.Join(dir, "release"+find.Suffix), c.subjects...)
			if got := codes(t, dir, said(t, j, find.Finder{}, dir)); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// TestManifestOfMillions checks that a statement with a million files is refused while it is
// parsed.
func TestManifestOfMillions(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	var subjects strings.Builder
	for n := range 100_000 {
		fmt.Fprintf(&subjects, `{"name":"%d","digest":{"sha256":"%064x"}},`, n, n)
	}
	payload := `{"_type":"` + intoto.TypeV1 + `","predicateType":"` + intoto.TypeSigned + `","subject":[` + strings.TrimSuffix(subjects.String(), ",") + `]}`
	signPayload(t, i.Signer(t, alice), filepath.Join(dir, "release"+find.Suffix), []byte(payload))
	write(t, filepath.Join(dir, "0"), "")
	if got, want := codes(t, dir, said(t, newJudge(t, i), find.Finder{}, dir)), "0 could-not-look, release unreadable"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestManifestTooLarge checks that a file that may be a manifest, but is too large to be parsed,
// is treated as one that may name any file.
func TestManifestTooLarge(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	write(t, filepath.Join(dir, "a"), "A")
	write(t, filepath.Join(dir, "below", "b"), "B")
	signFile(t, i.Signer(t, alice), filepath.Join(dir, "c"), "C")
	large := filepath.Join(dir, "release"+find.Suffix)
	write(t, large, "")
	if err := os.Truncate(large, 1<<40); err != nil {
		t.Fatal(err)
	}
	want := "a could-not-look, below/b could-not-look, c verified, release.sigstore.json unreadable"
	if got := codes(t, dir, said(t, newJudge(t, i), find.Finder{}, dir)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestSharedBundles checks that given bundles apply to several files, by digest only.
func TestSharedBundles(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	j, s := newJudge(t, i), i.Signer(t, alice)
	write(t, filepath.Join(dir, "a"), "A")
	write(t, filepath.Join(dir, "renamed"), "B")
	write(t, filepath.Join(dir, "other"), "other")
	signManifest(t, s, filepath.Join(dir, "all.json"), "a", "A", "b", "B")
	signFile(t, s, filepath.Join(dir, "alone", "c"), "C")
	at := func(name string) string { return filepath.Join(dir, name) }
	both := find.Finder{Bundles: []string{at("all.json"), at("alone/c" + find.Suffix)}}
	if got, want := codes(t, dir, said(t, j, both, at("a"), at("renamed"), at("other"), at("alone/c"))), "a verified, renamed verified, other subject-mismatch, alone/c verified"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := codes(t, dir, said(t, j, both, at("alone"))), "alone/c verified"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	signManifest(t, s, at("alone/other"+find.Suffix), "c", "not C")
	if got, want := codes(t, dir, said(t, j, both, at("alone"))), "alone/c verified"; got != want {
		t.Errorf("a manifest that was not given: %s, want %s", got, want)
	}
	none := find.Finder{Bundles: []string{at("none.json")}}
	if got, want := codes(t, dir, said(t, j, none, at("a"), at("other"))), "a unreadable, other unreadable"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// BenchmarkManifest verifies a directory of 10,000 files with one signature.
func BenchmarkManifest(b *testing.B) {
	i, dir := hallmarktest.New(b), b.TempDir()
	var all []string
	for n := range intoto.MaxSubjects {
		name := fmt.Sprintf("%02d/%d", n%100, n)
		all = append(all, name, fmt.Sprint(n))
		write(b, filepath.Join(dir, name), fmt.Sprint(n))
	}
	signManifest(b, i.Signer(b, alice), filepath.Join(dir, "release"+find.Suffix), all...)
	j := newJudge(b, i)
	for b.Loop() {
		var summary report.Summary
		for _, v := range said(b, j, find.Finder{}, dir) {
			summary.Add(v)
		}
		if err := summary.Err(); err != nil {
			b.Fatal(err)
		}
	}
}
