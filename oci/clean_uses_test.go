// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// pushIndex pushes an image for two platforms.
func (p *place) pushIndex(t *testing.T, tag string) (Image, []Image) {
	t.Helper()
	index, err := random.Index(100, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(p.repo() + ":" + tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	image := p.resolve(t, ":"+tag)
	parts, err := New(Options{}).Platforms(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	return image, parts
}

// tagAs sets a tag to an existing manifest.
func (p *place) tagAs(t *testing.T, tag string, image Image) {
	t.Helper()
	s, err := New(Options{}).session(t.Context(), p.image.repo, "push,pull")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.get(t.Context(), "manifests", image.Descriptor())
	if err == nil {
		_, err = s.putManifest(t.Context(), tag, image.MediaType, raw)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// attached returns the manifest of the only bundle.
func (p *place) attached(t *testing.T) Image {
	t.Helper()
	found, err := bundles(t, p.image)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	return p.resolve(t, "@"+found[0].Manifest)
}

// stay checks that the only attachment of the image can't be removed, for a reason.
func stay(t *testing.T, image Image, why string) {
	t.Helper()
	all := removables(t, image)
	if len(all) != 1 || !strings.Contains(all[0].Blocked, why) {
		t.Fatalf("%+v, want %q", all, why)
	}
	all[0].Blocked = "" // a caller may change it
	if err := New(Options{}).Remove(t.Context(), image, all); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), why) {
		t.Errorf("removing it: %v, want %q", err, why)
	}
	if _, err := New(Options{}).Resolve(t.Context(), Reference{image.repo.Digest(all[0].Digest)}); err != nil {
		t.Errorf("it is gone: %v", err)
	}
}

// TestLegacyTagNamesAnother checks tags for signatures that name another image, or a platform
// of one, as anyone who may write tags can set them.
func TestLegacyTagNamesAnother(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	prod, parts := p.pushIndex(t, "prod")
	p.tagAs(t, p.image.fallbackTag()+signatureSuffix, parts[0])
	stay(t, p.image, "the tag prod names an index that contains it")
	for _, suffix := range []string{signatureSuffix, attestationSuffix, sbomSuffix} {
		p := newPlace(t, true)
		p.legacy(t, suffix, Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip"}, "an image that nothing else names")
		stay(t, p.image, "does not match the tag")
	}
	p.tagAs(t, p.image.fallbackTag()+signatureSuffix, prod)
	stay(t, p.image, "the tag prod names it")
}

// TestUsedByOthersStays checks that manifests in use are kept: in an index that a tag names,
// at any depth, under tags of other images, and under tags without a known digest.
func TestUsedByOthersStays(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	p.attach(t, "sbom")
	collected := p.attached(t)
	inner := Describe(listOf(t, collected.Descriptor()), TypeIndex)
	p.putIndex(t, inner.Digest, listOf(t, collected.Descriptor()))
	p.putIndex(t, "collection", listOf(t, inner))
	stay(t, p.image, "the tag collection names an index that contains it")

	p = newPlace(t, true)
	p.legacy(t, sbomSuffix, Descriptor{MediaType: "text/spdx"}, "the same SBOM")
	other := p.image
	p.image, _ = p.pushIndex(t, "v2")
	p.legacy(t, sbomSuffix, Descriptor{MediaType: "text/spdx"}, "the same SBOM")
	stay(t, other, "the tag "+p.image.fallbackTag()+sbomSuffix+" names it")

	p = newPlace(t, true)
	p.attach(t, "tagged by another client")
	p.tagAs(t, "keep", p.attached(t))
	p.answer("HEAD /v2/a/b/manifests/", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", typeManifest) })
	stay(t, p.image, "the tag keep names it")
}

// TestUsedSince checks that a manifest tagged after it was listed is kept, and so is an
// attachment that is an image itself.
func TestUsedSince(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	p.attach(t, "one")
	all := removables(t, p.image)
	p.tagAs(t, "keep", p.attached(t))
	if err := New(Options{}).Remove(t.Context(), p.image, all); err == nil || !strings.Contains(err.Error(), "the tag keep") {
		t.Error(err)
	}
	stay(t, p.image, "the tag keep")

	p = newPlace(t, true)
	config := digestOf([]byte("{}"))
	raw, err := marshal(manifest{SchemaVersion: 2, MediaType: typeManifest, Config: Descriptor{MediaType: typeConfig, Size: 2, Digest: config}, Subject: &Descriptor{MediaType: p.image.MediaType, Size: p.image.Size, Digest: p.image.Digest}})
	if err != nil {
		t.Fatal(err)
	}
	p.put(t, raw)
	stay(t, p.image, "an image itself")
}

// TestLegacyTagMoves checks that a signature added after the listing is not lost with the
// listed ones.
func TestLegacyTagMoves(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	p.legacy(t, signatureSuffix, Descriptor{MediaType: typeSimpleSigning}, "payload")
	all := removables(t, p.image)
	p.legacy(t, signatureSuffix, Descriptor{MediaType: typeSimpleSigning}, "another payload")
	fresh := p.resolve(t, ":"+p.image.fallbackTag()+signatureSuffix)
	if err := New(Options{}).Remove(t.Context(), p.image, all); err == nil || !strings.Contains(err.Error(), fresh.Digest) {
		t.Error(err)
	}
	// and in the last moment
	all = removables(t, p.image)
	p.answer("DELETE /v2/a/b/manifests/sha256:", func(w http.ResponseWriter, _ *http.Request) {
		p.answer("nothing", nil)
		p.legacy(t, signatureSuffix, Descriptor{MediaType: typeSimpleSigning}, "the third")
		w.WriteHeader(http.StatusAccepted)
	})
	err := New(Options{}).Remove(t.Context(), p.image, all)
	if now := p.resolve(t, ":"+p.image.fallbackTag()+signatureSuffix); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), now.Digest) {
		t.Error(err)
	}
}

// TestRemoveBrokenOff checks that neither a timeout nor Ctrl-C hides attachments that were not
// deleted.
func TestRemoveBrokenOff(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"in time", "by hand", "before anything was deleted"} {
		p := newPlace(t, false)
		p.attach(t, "one")
		p.attach(t, "two")
		all := removables(t, p.image)
		ctx, cancel := context.WithCancel(t.Context())
		options := Options{}
		broken := "DELETE "
		switch what {
		case "in time":
			options.Timeout = 3 * time.Second
		case "before anything was deleted":
			broken = "PUT "
		}
		p.answer(broken, func(w http.ResponseWriter, r *http.Request) {
			if what == "in time" {
				<-r.Context().Done()
				return
			}
			cancel()
			if broken == "PUT " { // the list was written, and the client canceled
				p.answer("nothing", nil)
				p.Config.Handler.ServeHTTP(w, r)
			}
		})
		if err := New(options).Remove(ctx, p.image, all); err == nil {
			t.Errorf("%s: no error", what)
		}
		cancel()
		p.answer("nothing", nil)
		if found, err := bundles(t, p.image); err != nil || len(found) != 2 || errors.Join(found[0].Err, found[1].Err) != nil {
			t.Errorf("%s: %v, %v", what, found, err)
		}
	}
}

func listOf(t *testing.T, all ...Descriptor) []byte {
	t.Helper()
	raw, err := marshal(index{SchemaVersion: 2, MediaType: TypeIndex, Manifests: all})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// putIndex puts an index under a name.
func (p *place) putIndex(t *testing.T, name string, raw []byte) {
	t.Helper()
	s, err := New(Options{}).session(t.Context(), p.image.repo, "push,pull")
	if err == nil {
		_, err = s.putManifest(t.Context(), name, TypeIndex, raw)
	}
	if err != nil {
		t.Fatal(err)
	}
}
