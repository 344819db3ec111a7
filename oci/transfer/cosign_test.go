// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"crypto/sha512"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hallmark-sign/hallmark/oci"
)

// listing reads index.json, and writes it back with its entries changed.
func listing(t *testing.T, dir string, change func([]oci.Descriptor) []oci.Descriptor) []oci.Descriptor {
	t.Helper()
	path := filepath.Join(dir, "index.json")
	var i map[string]any
	var list struct {
		Manifests []oci.Descriptor `json:"manifests"`
	}
	raw := []byte(content(t, path))
	if err := json.Unmarshal(raw, &i); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &list); err != nil || change == nil {
		return list.Manifests
	}
	i["manifests"] = change(list.Manifests)
	raw, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return list.Manifests
}

// alone returns the marked entries, without their tags, as cosign writes them.
func alone(all []oci.Descriptor) []oci.Descriptor {
	all = slices.DeleteFunc(all, func(d oci.Descriptor) bool { return d.Annotations["kind"] == "" })
	for n, d := range all {
		all[n].ArtifactType, all[n].Annotations = "", map[string]string{"kind": d.Annotations["kind"]}
	}
	return all
}

// TestUnlisted checks a layout as cosign 3 saves it, which lists only the image and has its
// bundles among the blobs: no bundle is lost, nor signatures of cosign 1 and 2 with a marked
// kind.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	from, dir := newPlace(t, true), t.TempDir()
	image := from.pushSigned(t)
	save(t, from, dir, image.Descriptor(), "v1")
	listing(t, dir, alone)
	for _, name := range []string{dir, archive(t, dir)} {
		for _, referrers := range []bool{true, false} {
			if l := load(t, name, "", newPlace(t, referrers)); !l.Complete || l.Manifests < 9 {
				t.Errorf("%s: %+v", name, l)
			}
		}
	}
	from, dir = newPlace(t, true), t.TempDir()
	old := from.put(t, "v1", nil, "layer")
	from.put(t, old.FallbackTag()+".sig", nil, "signature")
	save(t, from, dir, old, "v1")
	if all := listing(t, dir, alone); len(all) != 2 || all[0].Annotations["kind"] != "dev.cosignproject.cosign/sigs" || all[1].Annotations["kind"] != "dev.cosignproject.cosign/image" {
		t.Errorf("%+v", all)
	}
	to := newPlace(t, true)
	if l := load(t, dir, "", to); !l.Complete || l.Attachments != 1 {
		t.Errorf("%+v", l)
	}
	to.resolve(t, "c/d:"+old.FallbackTag()+".sig")
}

// TestUnlistedAndLost checks that an unlisted attachment that can't be copied is reported as
// missing.
func TestUnlistedAndLost(t *testing.T) {
	t.Parallel()
	for what, write := range map[string]func(t *testing.T, blobs, subject string) string{
		"by SHA-512": func(t *testing.T, blobs, subject string) string {
			raw := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"subject":{"digest":"` + subject + `"}}`
			sum := sha512.Sum512([]byte(raw))
			return blob(t, filepath.Join(blobs, "sha512", hex.EncodeToString(sum[:])), raw)
		},
		"another form": func(t *testing.T, blobs, subject string) string {
			raw := `{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","subject":{"digest":"` + subject + `"}}`
			return blob(t, filepath.Join(blobs, strings.Replace(digestOf([]byte(raw)), ":", "/", 1)), raw)
		},
		"changed": func(t *testing.T, blobs, subject string) string {
			raw := ` {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"subject":{"digest":"` + subject + `"}}`
			return blob(t, filepath.Join(blobs, strings.Replace(digestOf([]byte("other")), ":", "/", 1)), raw)
		},
		"a member twice": func(t *testing.T, blobs, subject string) string {
			raw := `{"schemaVersion":2,"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"subject":{"digest":"` + subject + `"}}`
			return blob(t, filepath.Join(blobs, strings.Replace(digestOf([]byte(raw)), ":", "/", 1)), raw)
		},
	} {
		from, to, dir := newPlace(t, true), newPlace(t, true), t.TempDir()
		image := from.put(t, "v1", nil, "layer")
		save(t, from, dir, image, "v1")
		lost := write(t, filepath.Join(dir, "blobs"), image.Digest)
		for _, name := range []string{dir, archive(t, dir)} {
			missing(t, what, to, load(t, name, "", to), lost)
		}
	}
}

// blob writes a file of blobs/ALGORITHM/HEX, and returns ALGORITHM:HEX.
func blob(t *testing.T, path, raw string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(raw), 0o644); err != nil {
		t.Fatal(err)
	}
	return filepath.Base(filepath.Dir(path)) + ":" + filepath.Base(path)
}

// TestMarks checks that the only image of a layout is marked for cosign, and that several
// images are not, as cosign takes the first.
func TestMarks(t *testing.T) {
	t.Parallel()
	from, dir := newPlace(t, true), t.TempDir()
	kinds := func() (all []string) {
		for _, d := range listing(t, dir, nil) {
			if kind, ok := d.Annotations["kind"]; ok {
				all = append(all, kind)
			}
		}
		return all
	}
	first := from.put(t, "v1", nil, "layer")
	from.attach(t, from.resolve(t, "a/b:v1"), "one")
	from.put(t, first.FallbackTag()+".att", nil, "attestation")
	for _, tag := range []string{"", "v1", "v2"} { // of one image
		save(t, from, dir, first, tag)
		if all := slices.Compact(kinds()); !slices.Equal(all, []string{"dev.cosignproject.cosign/image"}) {
			t.Errorf("%s: %q", tag, all)
		}
	}
	save(t, from, dir, from.put(t, "other", nil, "other"), "other")
	if all := kinds(); len(all) != 0 {
		t.Errorf("of two images: %q", all)
	}
}
