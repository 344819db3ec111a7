// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"archive/tar"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/layout"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

func save(t *testing.T, from *place, dir string, image oci.Descriptor, tag string) *transfer.Report {
	t.Helper()
	to, err := layout.Create(t.Context(), dir, from.ref(t, "a/b:v1").Repository())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	report, err := transfer.Run(t.Context(), transfer.Job{From: from.repository(t, "a/b"), To: to, Image: image, Tag: tag})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func load(t *testing.T, name, want string, to *place) *transfer.Report {
	t.Helper()
	from, err := layout.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	image, err := from.Choose(want)
	if err != nil {
		t.Fatal(err)
	}
	report, err := transfer.Run(t.Context(), transfer.Job{From: from, To: to.repository(t, "c/d"), Image: image.Descriptor, Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// archive writes a .tar of a directory, and returns its name.
func archive(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image.tar")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestSaveAndLoad checks that a saved image can be loaded, from a directory or a .tar of it,
// to a registry of either kind.
func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	from, dir := newPlace(t, true), t.TempDir()
	image := from.pushSigned(t)
	r := save(t, from, dir, image.Descriptor(), "v1")
	if !r.Complete || r.Manifests != 10 || r.Attachments != 5 {
		t.Fatalf("%+v", r)
	}
	if again := save(t, from, dir, image.Descriptor(), "v1"); !again.Complete || again.Sent != 0 {
		t.Errorf("%+v", again)
	}
	for name, referrers := range map[string]bool{dir: true, archive(t, dir): false} {
		to := newPlace(t, referrers)
		if l := load(t, name, "", to); !l.Complete || l.Manifests != 10 || to.resolve(t, "c/d:v1").Digest != image.Digest {
			t.Errorf("%s: %+v", name, l)
		}
	}
	// as another implementation sees it
	theirs, err := ggcr.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := theirs.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(m.Manifests, func(d v1.Descriptor) bool { return d.Annotations["org.opencontainers.image.ref.name"] == "v1" })
	if at < 0 || m.Manifests[at].Digest.String() != image.Digest || len(m.Manifests) != 6 {
		t.Errorf("%+v", m.Manifests)
	}
	if inner, err := index.ImageIndex(m.Manifests[at].Digest); err != nil {
		t.Error(inner, err)
	}
}

// TestSeveralImages checks several images in one directory, tags that move, and images without
// a tag.
func TestSeveralImages(t *testing.T) {
	t.Parallel()
	from, dir := newPlace(t, true), t.TempDir()
	one := from.put(t, "v1", nil, "one")
	save(t, from, dir, one, "v1")
	from.put(t, one.LegacyTags()[0], nil, "signature")
	save(t, from, dir, one, "v1")
	two := from.put(t, "v1", nil, "two")
	save(t, from, dir, two, "v1")
	three := from.put(t, "", nil, "three")
	save(t, from, dir, three, "")
	l, err := layout.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for want, digest := range map[string]string{
		"": two.Digest, "v1": two.Digest, from.ref(t, "a/b:v1").String(): two.Digest, one.Digest: one.Digest, three.Digest: three.Digest, "v2": "", "sha256:": "",
	} {
		if got, err := l.Choose(want); (err == nil) != (digest != "") || got.Digest != digest {
			t.Errorf("%q: %v, %v", want, got, err)
		}
	}
	if all := l.Images(); len(all) != 3 {
		t.Errorf("%+v", all)
	}
	to := newPlace(t, true)
	if r := load(t, dir, one.Digest, to); !r.Complete || r.Attachments != 1 {
		t.Errorf("%+v", r)
	}
}

// TestSaveResumes checks that an interrupted save leaves no index.json, or the old one, and no
// half-written blob, and that the next save fetches the rest.
func TestSaveResumes(t *testing.T) {
	t.Parallel()
	from, dir := newPlace(t, true), t.TempDir()
	old := from.put(t, "old", nil, "old")
	save(t, from, dir, old, "old")
	before := content(t, filepath.Join(dir, "index.json"))
	image := from.pushSigned(t)
	var blobs atomic.Int32
	from.answer("nothing", nil)
	from.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") || blobs.Add(1) < 4 {
			return false
		}
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half of it")
		return true
	}
	r := save(t, from, dir, image.Descriptor(), "v1")
	from.answer("", nil)
	if r.Complete || r.Sent == 0 || content(t, filepath.Join(dir, "index.json")) != before {
		t.Fatalf("%+v", r)
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if strings.Contains(path, ".tmp-") {
			t.Error(path, "was left")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if again := save(t, from, dir, image.Descriptor(), "v1"); !again.Complete || again.Skipped < r.Sent || again.Sent == 0 {
		t.Errorf("%+v", again)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestTamperedLayout checks that changed files are rewritten by save, and refused by load.
func TestTamperedLayout(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(path string) error{
		"changed": func(path string) error { return os.WriteFile(path, []byte("lAyer"), 0o644) },
		"longer":  func(path string) error { return os.WriteFile(path, []byte("layer and more"), 0o644) },
		"shorter": func(path string) error { return os.WriteFile(path, []byte("lay"), 0o644) },
		"gone":    os.Remove,
		"a link": func(path string) error {
			outside := filepath.Join(t.TempDir(), "outside")
			if err := os.WriteFile(outside, []byte("layer"), 0o644); err != nil {
				return err
			}
			return os.Symlink(outside, path+".new")
		},
		"a directory": func(path string) error { return os.Mkdir(path+".new", 0o755) },
	} {
		from, to, dir := newPlace(t, true), newPlace(t, true), t.TempDir()
		image := from.put(t, "v1", nil, "layer")
		save(t, from, dir, image, "v1")
		path := filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digestOf([]byte("layer")), "sha256:"))
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path + ".new"); err == nil { // in its place
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}
		missing(t, what, to, load(t, dir, "", to), digestOf([]byte("layer")))
		again := save(t, from, dir, image, "v1")
		if mends := what != "a link" && what != "a directory"; again.Complete != mends {
			t.Errorf("%s: %+v", what, again)
		}
	}
}

// TestLostAttachment checks that listed attachments without content are reported.
func TestLostAttachment(t *testing.T) {
	t.Parallel()
	from, to, dir := newPlace(t, true), newPlace(t, true), t.TempDir()
	image := from.put(t, "v1", nil, "layer")
	on := from.attach(t, from.resolve(t, "a/b:v1"), "one")
	save(t, from, dir, image, "v1")
	if err := os.Remove(filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(on.Digest, "sha256:"))); err != nil {
		t.Fatal(err)
	}
	missing(t, "lost", to, load(t, dir, "", to), on.Digest)
}
