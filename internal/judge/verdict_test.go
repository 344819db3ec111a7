// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/verify"
)

const alice = "alice@example.com"

// signFile writes a file and its bundle.
func signFile(t testing.TB, s sign.Signer, path, content string) {
	t.Helper()
	b, err := s.Message(context.Background(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, content)
	write(t, path+find.Suffix, string(raw))
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// known are facts that no policy refuses.
var known = policy.Facts{RootFetched: time.Unix(1, 0), Now: time.Unix(1, 0), Witnesses: policy.KnownWitnesses()}

func newJudge(t testing.TB, i *hallmarktest.Instance) *judge.Judge {
	t.Helper()
	v, err := verify.New(i.Root)
	if err != nil {
		t.Fatal(err)
	}
	return &judge.Judge{Verifier: v, Policy: policy.ForIdentity(alice, i.URL), Facts: known}
}

// said returns the verdicts on the artifacts that the arguments name, in their order.
func said(t testing.TB, j *judge.Judge, f find.Finder, args ...string) []judge.Verdict {
	t.Helper()
	var all []judge.Verdict
	if err := j.All(context.Background(), f.All(args), func(v judge.Verdict) error {
		all = append(all, v)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// code returns the code of the only verdict.
func code(t *testing.T, all []judge.Verdict) string {
	t.Helper()
	if len(all) != 1 {
		t.Fatalf("%d verdicts", len(all))
	}
	if all[0].Problem() == nil {
		return "verified"
	}
	return all[0].Problem().Code
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("../../docs/reference/verdict.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkReport holds a verdict's JSON to the published schema.
func checkReport(t *testing.T, s *jsonschema.Schema, v judge.Verdict) {
	t.Helper()
	raw, err := json.Marshal(report.Of(v))
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(value); err != nil {
		t.Errorf("%v:\n%s", err, raw)
	}
}

func TestDirectory(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	s := i.Signer(t, alice)
	for n := range 30 {
		signFile(t, s, filepath.Join(dir, fmt.Sprintf("%02d/file", n)), fmt.Sprint(n))
	}
	write(t, filepath.Join(dir, "07/file"), "changed")
	write(t, filepath.Join(dir, "08/unsigned"), "x")
	write(t, filepath.Join(dir, "09/file"+find.Suffix), "{}")
	if err := os.Remove(filepath.Join(dir, "10/file")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"07/file": "artifact-mismatch", "08/unsigned": "unsigned", "09/file": "bundle-malformed", "10/file": "unreadable"}
	published, j := schema(t), newJudge(t, i)
	j.Explain = true
	var summary report.Summary
	last := ""
	for _, v := range said(t, j, find.Finder{}, dir) {
		summary.Add(v)
		checkReport(t, published, v)
		name, err := filepath.Rel(dir, v.Name)
		if err != nil || name <= last {
			t.Errorf("%s after %s: %v", name, last, err)
		}
		last = name
		got := ""
		if v.Problem() != nil {
			got = v.Problem().Code
		}
		if got != want[name] {
			t.Errorf("%s: %q, want %q", name, got, want[name])
		}
	}
	if text := summary.String(); text != "31 judged: 27 verified, 2 refused, 2 unreadable" || summary.Err().(*fault.Worst).Status != fault.ExitRefused || summary.First.Code != "artifact-mismatch" {
		t.Errorf("%s; exit %d, first %v", text, summary.Err().(*fault.Worst).Status, summary.First.Code)
	}
}

// TestCouldNotLook checks that a failed lookup is not reported as a missing bundle.
func TestCouldNotLook(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	j, path := newJudge(t, i), filepath.Join(dir, "file")
	write(t, path, "content")
	if got := code(t, said(t, j, find.Finder{}, path)); got != "unsigned" {
		t.Errorf("nothing there: %s", got)
	}
	if err := os.Mkdir(path+find.Suffix, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := code(t, said(t, j, find.Finder{}, path)); got != "could-not-look" {
		t.Errorf("a directory in the bundle's place: %s", got)
	}
	if err := os.Remove(path + find.Suffix); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+find.Suffix, path+find.Suffix); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	if got := code(t, said(t, j, find.Finder{}, path)); got != "could-not-look" {
		t.Errorf("a link to itself: %s", got)
	}
}

// TestSeveralBundles checks files with several bundles, one per line: those that meet the policy
// are enough, regardless of the others. Standard input is read only once.
func TestSeveralBundles(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	path := filepath.Join(dir, "file")
	line := func(who, content string) string {
		signFile(t, i.Signer(t, who), filepath.Join(dir, who), content)
		raw, err := os.ReadFile(filepath.Join(dir, who) + find.Suffix)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw) + "\n"
	}
	good, other, stale := line(alice, "content"), line("mallory@example.com", "content"), line(alice, "before")
	write(t, path, "content")
	j := newJudge(t, i)
	for name, c := range map[string]struct{ lines, want string }{
		"good alone":         {good, "verified"},
		"good among others":  {other + "{}\n\n" + stale + good, "verified"},
		"none good":          {other + stale, "identity-mismatch"},
		"malformed alone":    {"{}\n", "bundle-malformed"},
		"malformed, refused": {"{}\n" + other, "bundle-malformed"},
		"empty":              {"\n", "unreadable"},
	} {
		write(t, path+find.LinesSuffix, c.lines)
		if got := code(t, said(t, j, find.Finder{}, path)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		j.Stdin = strings.NewReader("content")
		f := find.Finder{Bundles: []string{path + find.LinesSuffix}}
		if got := code(t, said(t, j, f, "-")); got != c.want {
			t.Errorf("%s, from standard input: %s, want %s", name, got, c.want)
		}
	}
}

func TestChecksums(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	list := filepath.Join(dir, "SHA256SUMS")
	published, j := schema(t), newJudge(t, i)
	const one = "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
	write(t, filepath.Join(dir, "one"), "1\n")
	signFile(t, i.Signer(t, alice), list, one+"  one\n")
	for _, v := range said(t, j, find.Finder{}, list) {
		checkReport(t, published, v)
		if v.Problem() != nil {
			t.Errorf("%s: %v", v.Name, v.Problem())
		}
	}
	for name, content := range map[string]string{
		"binary":    one + " *one\n",
		"one space": one + " one\n",
		"CRLF":      one + "  one\r\n",
		"BSD":       "SHA256 (one) = " + one + "\n",
		"openssl":   "SHA2-256(one)= " + one + "\n",
		"escaped":   `\` + one + `  o\\ne` + "\n",
		"comment":   "# sums\n\n" + one + "  one\n",
		"twice":     one + "  one\n" + one + "  one\n",
		"SHA-512":   hex.EncodeToString(sha512Of("1\n")) + "  one\n",
		"both":      one + "  one\nSHA512 (one) = " + hex.EncodeToString(sha512Of("1\n")) + "\n",
	} {
		write(t, filepath.Join(dir, `o\ne`), "1\n")
		signFile(t, i.Signer(t, alice), list, content)
		if got := codes(t, dir, said(t, j, find.Finder{}, list)); strings.Count(got, " verified") < 2 || strings.Count(got, " verified") != strings.Count(got, ", ")+1 {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, content := range map[string]string{
		"outside":   one + "  ../one\n",
		"absolute":  one + "  /etc/passwd\n",
		"twice":     one + "  one\n" + strings.Repeat("0", 64) + "  one\n",
		"algorithm": "SHA512 (one) = " + one + "\n",
		"escape":    `\` + one + `  o\x6ee` + "\n",
		"comments":  "# one\n\n",
		"short":     one[1:] + "  one\n",
		"no name":   one + "  \n",
		"empty":     "",
		"a line":    "one\n",
	} {
		write(t, list, content)
		if got := code(t, said(t, j, find.Finder{}, list)); got != "unreadable" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func sha512Of(content string) []byte {
	sum := sha512.Sum512([]byte(content))
	return sum[:]
}

// TestEndsEarly checks that work ends when the consumer stops.
func TestEndsEarly(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	for n := range 1000 {
		write(t, filepath.Join(dir, fmt.Sprint(n)), "x")
	}
	j := newJudge(t, i)
	enough := errors.New("enough")
	told := 0
	err := j.All(t.Context(), find.Finder{}.All([]string{dir}), func(judge.Verdict) error {
		told++
		return enough
	})
	if !errors.Is(err, enough) || told != 1 {
		t.Errorf("told %d times, %v", told, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.All(ctx, find.Finder{}.All([]string{dir}), func(judge.Verdict) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzChecksums(f *testing.F) {
	dir := f.TempDir()
	j := &judge.Judge{Policy: new(policy.Policy), Facts: known}
	f.Add("4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865  one\n")
	f.Fuzz(func(t *testing.T, content string) {
		write(t, filepath.Join(dir, "SHA256SUMS"), content)
		for _, v := range said(t, j, find.Finder{}, filepath.Join(dir, "SHA256SUMS")) {
			if v.Problem() == nil {
				t.Errorf("%s is verified by nothing", v.Name)
			}
			if rel, err := filepath.Rel(dir, v.Name); err != nil || !filepath.IsLocal(rel) {
				t.Errorf("%s is outside", v.Name)
			}
		}
	})
}

// BenchmarkDirectory judges a directory of 10,000 signed files.
func BenchmarkDirectory(b *testing.B) {
	const files = 10_000
	i, dir := hallmarktest.New(b), b.TempDir()
	var next atomic.Int64
	var group sync.WaitGroup
	for range 32 {
		s := i.Signer(b, alice)
		group.Go(func() {
			for n := next.Add(1); n <= files; n = next.Add(1) {
				signFile(b, s, filepath.Join(dir, fmt.Sprint(n)), fmt.Sprint("file ", n))
			}
		})
	}
	group.Wait()
	j := newJudge(b, i)
	b.ReportAllocs()
	for b.Loop() {
		var summary report.Summary
		for _, v := range said(b, j, find.Finder{}, dir) {
			summary.Add(v)
		}
		if summary.Err() != nil || summary.Count() != files {
			b.Fatal(summary.String(), summary.First)
		}
	}
	b.ReportMetric(float64(b.N)*files/b.Elapsed().Seconds(), "bundles/s")
}

// TestIsChecksums checks that lists of checksums are recognized by their names, and that their
// bundles are not.
func TestIsChecksums(t *testing.T) {
	for name, want := range map[string]bool{
		"SHA256SUMS": true, "dist/sha256sums.txt": true, "widget_1.0_SHA256SUMS": true, "checksums.txt": true, "widget_checksums.txt": true,
		"SHA256SUMS.sigstore.json": false, "SHA512SUMS": true, "Fedora-41-CHECKSUM": true, "sums": false, "widget.sha256": false,
	} {
		if find.IsChecksums(name) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

// TestBundlesOnOneLine checks that several bundles may be on one line, as from cat.
func TestBundlesOnOneLine(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	path := filepath.Join(dir, "file")
	signFile(t, i.Signer(t, alice), path, "content")
	raw, err := os.ReadFile(path + find.Suffix)
	if err != nil {
		t.Fatal(err)
	}
	line := bytes.TrimSpace(raw)
	write(t, path+find.LinesSuffix, string(line)+string(line)+"\n")
	bundles, err := find.ReadBundles(path + find.LinesSuffix)
	if err != nil || len(bundles) != 2 {
		t.Errorf("%d bundles, %v", len(bundles), err)
	}
	write(t, path+find.LinesSuffix, string(line)+"rubbish\n")
	if _, err := find.ReadBundles(path + find.LinesSuffix); err == nil {
		t.Error("rubbish is passed over")
	}
}

// TestPatterns checks that patterns match whole paths, and that ** matches directories.
func TestPatterns(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.zip", "b.txt", "x/a.zip", "x/y/a.zip", "x/y/a.zip" + find.Suffix} {
		write(t, filepath.Join(dir, name), "x")
	}
	j := &judge.Judge{Policy: new(policy.Policy), Facts: known}
	for pattern, want := range map[string]string{
		"*.zip": "a.zip", "*/*.zip": "x/a.zip", "**/*.zip": "a.zip x/a.zip x/y/a.zip", "x/**": "x/a.zip x/y/a.zip", "**": "a.zip b.txt x/a.zip x/y/a.zip",
		"?.[tz]*": "a.zip b.txt", "x/**/a.zip": "x/a.zip x/y/a.zip", "**/y/*": "x/y/a.zip",
	} {
		var names []string
		for _, v := range said(t, j, find.Finder{}, filepath.Join(dir, pattern)) {
			rel, err := filepath.Rel(dir, v.Name)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, filepath.ToSlash(rel))
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
	for _, pattern := range []string{"*.pdf", "none/*", "[", "x/*.json"} {
		if got := code(t, said(t, j, find.Finder{}, filepath.Join(dir, pattern))); got != "unreadable" {
			t.Errorf("%s: %s", pattern, got)
		}
	}
}
