// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hallmark-sign/hallmark/oci"
)

const goodMark = `{"imageLayoutVersion":"1.0.0"}`

// digits is the hexadecimal form of some digest.
var digits = strings.Repeat("ab", 32)

func dirOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRefusesNoLayout(t *testing.T) {
	for what, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing":  {nil, "oci-layout"},
		"no index": {map[string]string{markFile: goodMark}, "index.json"},
		"version":  {map[string]string{markFile: `{"imageLayoutVersion":"2.0.0"}`, indexFile: "{}"}, "version"},
		"no mark":  {map[string]string{markFile: strings.Repeat(" ", maxMark+1), indexFile: "{}"}, "more than"},
		"schema":   {map[string]string{markFile: goodMark, indexFile: `{"schemaVersion":1,"manifests":[]}`}, "schema 1"},
		"no JSON":  {map[string]string{markFile: goodMark, indexFile: `<html>`}, "parsing"},
		"twice":    {map[string]string{markFile: goodMark, indexFile: `{"schemaVersion":2,"manifests":[],"manifests":[]}`}, "duplicate"},
		"trailing": {map[string]string{markFile: goodMark, indexFile: `{"schemaVersion":2,"manifests":[]}{}`}, "parsing"},
		"5 MB":     {map[string]string{markFile: goodMark, indexFile: `{"schemaVersion":2,"manifests":[` + strings.Repeat(" ", 5<<20) + `]}`}, "more than"},
		"many":     {map[string]string{markFile: goodMark, indexFile: `{"schemaVersion":2,"manifests":[{}` + strings.Repeat(",{}", maxEntries) + `]}`}, "more than"},
	} {
		dir := dirOf(t, c.files)
		if l, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", what, l, err)
		}
		if c.files == nil || what == "no index" {
			continue
		}
		if d, err := Create(t.Context(), dir, "r/a"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, to write: %v, %v", what, d, err)
		}
	}
	if _, err := Create(t.Context(), dirOf(t, map[string]string{"precious": "x"}), "r/a"); err == nil || !strings.Contains(err.Error(), "other content") {
		t.Error(err)
	}
}

// TestStaysInside checks that only regular files inside of the directory are opened.
func TestStaysInside(t *testing.T) {
	outside := dirOf(t, map[string]string{"secret": "secret", indexFile: `{"schemaVersion":2,"manifests":[]}`})
	dir := dirOf(t, map[string]string{markFile: goodMark})
	if err := os.Symlink(filepath.Join(outside, indexFile), filepath.Join(dir, indexFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Error(err)
	}
	dir = dirOf(t, map[string]string{markFile: goodMark, indexFile: `{"schemaVersion":2,"manifests":[]}`})
	if err := os.Symlink(outside, filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Error(err)
	}
	l, err := Open(t.Context(), dirOf(t, map[string]string{markFile: goodMark, indexFile: `{"schemaVersion":2,"manifests":[]}`, "blobs/secret": "secret"}))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, d := range []oci.Descriptor{
		{Digest: "sha256:../secret", Size: 6}, {Digest: "sha256:" + strings.Repeat("..", 32), Size: 6}, {Digest: "sha256:" + digits, Size: 6}, {Digest: "../../secret", Size: 6},
	} {
		if f, err := l.Blob(t.Context(), d); err == nil {
			f.Close()
			t.Errorf("%s was opened", d.Digest)
		}
	}
	if _, err := Create(t.Context(), dir, "r/a"); err == nil {
		t.Error("blobs would be written elsewhere")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 2 {
		t.Error(entries, err)
	}
}

// TestExtends checks that other entries are kept, and that a name belongs to one image.
func TestExtends(t *testing.T) {
	theirs := `{"mediaType":"text/plain","size":3,"digest":"sha256:` + digits + `","data":"YWJj","platform":{"os":"linux"}}`
	dir := dirOf(t, map[string]string{markFile: goodMark, indexFile: `{"schemaVersion":2,"manifests":[` + theirs + `],"x":1}`})
	d, err := Create(t.Context(), dir, "r/a")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, digest := range []string{"1", "2", "2"} {
		if err := d.Publish(t.Context(), "v1", oci.Descriptor{Digest: digest}, nil); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"data":"YWJj"`, `"platform":{"os":"linux"}`, `"x":1`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s lost %s", raw, want)
		}
	}
	if strings.Count(string(raw), `"digest"`) != 3 || strings.Count(string(raw), `"io.containerd.image.name":"r/a:v1"`) != 1 {
		t.Errorf("%s", raw)
	}
	if got, ok, err := d.Tagged(t.Context(), "v1"); got.Digest != "2" || !ok || err != nil {
		t.Error(got, ok, err)
	}
}

// TestTwoRepositories checks that two repositories with a tag v1 each find their own.
func TestTwoRepositories(t *testing.T) {
	dir := t.TempDir()
	for _, repository := range []string{"r/a", "r/b"} {
		d, err := Create(t.Context(), dir, repository)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Publish(t.Context(), "v1", oci.Descriptor{Digest: repository}, nil); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := d.Tagged(t.Context(), "v1"); got.Digest != repository || !ok || err != nil {
			t.Error(got, ok, err)
		}
		d.Close()
	}
	l, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, want := range []string{"", "v1"} {
		if got, err := l.Choose(want); !errors.Is(err, ErrChoice) || !strings.Contains(err.Error(), "r/b:v1 (") {
			t.Error(got, err)
		}
	}
	if _, _, err := l.Tagged(t.Context(), "v1"); err == nil {
		t.Error("which v1?")
	}
	if got, err := l.Choose("r/b:v1"); err != nil || got.Digest != "r/b" {
		t.Error(got, err)
	}
	if got, ok, err := l.Tagged(t.Context(), "v1"); err != nil || !ok || got.Digest != "r/b" {
		t.Error(got, ok, err)
	}
}

// TestSweeps checks that old temporary files of killed runs are removed.
func TestSweeps(t *testing.T) {
	dir := dirOf(t, map[string]string{markFile: goodMark, blobsDir + "/.tmp-old": "x", blobsDir + "/.tmp-new": "x", blobsDir + "/" + digits: "x", ".tmp-mark": "x"})
	old := time.Now().Add(-2 * stale)
	for _, name := range []string{".tmp-old", digits} {
		if err := os.Chtimes(filepath.Join(dir, blobsDir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Create(t.Context(), dir, "r/a")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	entries, err := os.ReadDir(filepath.Join(dir, blobsDir))
	if err != nil || len(entries) != 2 {
		t.Error(entries, err)
	}
}

func TestArchives(t *testing.T) {
	write := func(headers ...tar.Header) string {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			content := h.Linkname
			if h.Typeflag == tar.TypeReg {
				h.Linkname, h.Size = "", int64(len(content))
			}
			h.Mode = 0o644
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				if _, err := io.WriteString(w, content); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	file := func(name, content string) tar.Header {
		return tar.Header{Name: name, Linkname: content, Typeflag: tar.TypeReg}
	}
	index := file("./"+indexFile, `{"schemaVersion":2,"manifests":[]}`)
	mark := file("./"+markFile, goodMark)
	link := func(kind byte) tar.Header {
		return tar.Header{Name: indexFile, Linkname: "/etc/passwd", Typeflag: kind}
	}
	if l, err := Open(t.Context(), write(mark, index)); err != nil {
		t.Error(l, err)
	}
	for what, c := range map[string]struct{ name, want string }{
		"twice":     {write(mark, index, index), "twice"},
		"links":     {write(mark, link(tar.TypeSymlink)), "not exist"},
		"hard":      {write(mark, link(tar.TypeLink)), "not exist"},
		"climbing":  {write(mark, file("x/../../"+indexFile, "{}")), "not exist"},
		"nothing":   {write(), "neither"},
		"a folder":  {write(file("out/"+markFile, goodMark), file("out/"+indexFile, "{}")), `in the folder "out" of the archive`},
		"no tar":    {dirOf(t, map[string]string{"f": "plain text"}) + "/f", "neither"},
		"gzip":      {dirOf(t, map[string]string{"f": "\x1f\x8b\x08 and so on"}) + "/f", "gunzip it first"},
		"zstd":      {dirOf(t, map[string]string{"f": "\x28\xb5\x2f\xfd\x00"}) + "/f", "unzstd it first"},
		"not there": {filepath.Join(t.TempDir(), "f"), "no such file"},
	} {
		if l, err := Open(t.Context(), c.name); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", what, l, err)
		}
	}
}

// FuzzIndex checks that only blobs under their digests are opened, whatever an index contains,
// and that adding an entry keeps the others.
func FuzzIndex(f *testing.F) {
	entry := `{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"sha256:` + digits + `","artifactType":"a"}`
	f.Add([]byte(`{"schemaVersion":2,"manifests":[` + entry + `,{"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`))
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"` + oci.TypeIndex + `","manifests":null,"x":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		files := watched{fstest.MapFS{markFile: {Data: []byte(goodMark)}, indexFile: {Data: raw}, blobsDir + "/" + digits: {Data: []byte("{}")}}, t}
		l := &Layout{files: files}
		if l.read(t.Context()) != nil {
			return
		}
		_, _ = l.Choose("")
		for _, i := range l.Images() {
			_, _ = l.Choose(i.Name)
			_, _ = l.Referrers(t.Context(), i.Descriptor)
			_, _ = l.Manifest(t.Context(), i.Descriptor)
		}
		l.index.add(oci.Descriptor{Digest: "added"})
		again, err := l.index.marshal()
		if err != nil {
			return
		}
		if i, err := parseIndex(again); err != nil || len(i.Manifests) != len(l.index.Manifests) {
			t.Errorf("%s, %v", again, err)
		}
	})
}

// A watched is a file system that allows access to some files only.
type watched struct {
	fstest.MapFS
	t *testing.T
}

// Open opens an allowed file.
func (w watched) Open(name string) (fs.File, error) {
	digest, isBlob := strings.CutPrefix(name, blobsDir+"/")
	if _, err := (oci.Descriptor{Digest: "sha256:" + digest}).Hex(); name != markFile && name != indexFile && (!isBlob || err != nil) {
		w.t.Errorf("%q was opened", name)
	}
	return w.MapFS.Open(name)
}

// Stat describes an allowed file.
func (w watched) Stat(name string) (fs.FileInfo, error) {
	if f, err := w.Open(name); err == nil {
		defer f.Close()
		return f.Stat()
	} else {
		return nil, fmt.Errorf("describing: %w", err)
	}
}

// TestListedManyTimes checks that an index of four megabytes that is listed thousands of times
// is read once, and that reading can be canceled.
func TestListedManyTimes(t *testing.T) {
	large := `{"schemaVersion":2,"mediaType":"` + oci.TypeIndex + `","manifests":[],"annotations":{"a":"` + strings.Repeat("x", 3<<20) + `"}}`
	d := oci.Describe([]byte(large), oci.TypeIndex)
	entry := fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q,"artifactType":"x/y"}`, d.MediaType, d.Size, d.Digest)
	index := `{"schemaVersion":2,"manifests":[` + strings.Repeat(entry+",", 15_000) + entry + `]}`
	digits, err := d.Hex()
	if err != nil {
		t.Fatal(err)
	}
	dir := dirOf(t, map[string]string{markFile: `{"imageLayoutVersion":"1.0.0"}`, indexFile: index, blobsDir + "/" + digits: large})
	begun := time.Now()
	l, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("opening took %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestChoiceOfMany checks that the error names twenty of thousands of images.
func TestChoiceOfMany(t *testing.T) {
	var entries []string
	for i := range 1_000 {
		entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"size":1,"digest":"sha256:%064x"}`, oci.TypeIndex, i))
	}
	dir := dirOf(t, map[string]string{markFile: `{"imageLayoutVersion":"1.0.0"}`, indexFile: `{"schemaVersion":2,"manifests":[` + strings.Join(entries, ",") + `]}`})
	l, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Choose(""); !errors.Is(err, ErrChoice) || !strings.HasSuffix(err.Error(), "and 980 more") || len(err.Error()) > 3_000 {
		t.Error(err)
	}
}
