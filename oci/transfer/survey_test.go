// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

func entryOf(i oci.Image) oci.Descriptor {
	d := i.Descriptor()
	d.ArtifactType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	return d
}

// TestFalseListingFirst checks that a signature of a platform is copied although the index's
// list has it as well: a false entry does not hide a true one.
func TestFalseListingFirst(t *testing.T) {
	t.Parallel()
	for _, api := range []bool{true, false} {
		from, to := newPlace(t, true), newPlace(t, true)
		image := from.push(t)
		platforms, err := client().Platforms(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		signature := from.attach(t, platforms[0], "the signature of the platform")
		if api {
			from.answer("GET /v2/a/b/referrers/"+image.Digest, lists(entryOf(signature)))
		} else { // as anyone can who may write a tag
			raw := indexOf(entryOf(signature))
			if err := from.repository(t, "a/b").Publish(t.Context(), image.Descriptor().FallbackTag(), oci.Describe(raw, oci.TypeIndex), raw); err != nil {
				t.Fatal(err)
			}
		}
		r := run(t, from, to, image.Descriptor())
		if !r.Complete || len(r.Strays) != 0 || !to.has(t, "c/d/manifests/"+signature.Digest) {
			t.Errorf("api %v: complete %v, strays %v, missing %v", api, r.Complete, r.Strays, r.Missing)
		}
	}
}

// TestCopyListBreaksOff checks that an incomplete list is not treated as complete.
func TestCopyListBreaksOff(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 400, 405} {
		from, to := newPlace(t, true), newPlace(t, true)
		image := from.put(t, "v1", nil, "layer")
		one := from.attach(t, from.resolve(t, "a/b:v1"), "one")
		from.answer("GET /v2/a/b/referrers/"+image.Digest, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("n") != "" {
				w.WriteHeader(status)
				return
			}
			w.Header().Set("Link", "<"+r.URL.Path+`?n=2>; rel="next"`)
			lists(entryOf(one))(w, r)
		})
		if r := run(t, from, to, image); r.Complete || len(r.Missing) == 0 {
			t.Errorf("%d: complete %v, missing %v", status, r.Complete, r.Missing)
		}
	}
}

// TestCopyBothLists checks that bundles from before and after the registry gained the API are
// both copied.
func TestCopyBothLists(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t, false), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	on := from.resolve(t, "a/b:v1")
	old := from.attach(t, on, "old")
	raw := indexOf(entryOf(old))
	if err := from.repository(t, "a/b").Publish(t.Context(), image.FallbackTag(), oci.Describe(raw, oci.TypeIndex), raw); err != nil {
		t.Fatal(err)
	}
	fresh := from.attach(t, on, "fresh")
	from.answer("GET /v2/a/b/referrers/"+image.Digest, lists(entryOf(fresh)))
	if r := run(t, from, to, image); !r.Complete || !to.has(t, "c/d/manifests/"+old.Digest) || !to.has(t, "c/d/manifests/"+fresh.Digest) {
		t.Errorf("complete %v, missing %v", r.Complete, r.Missing)
	}
}

// TestSurveyIsBounded checks that lists and manifests that are large once parsed are refused
// before all are read: a hundred platforms with the same 19,000 attachments on each, and
// manifests of empty layers.
func TestSurveyIsBounded(t *testing.T) {
	t.Parallel()
	tooMuch := func(from *place, image oci.Descriptor) {
		t.Helper()
		to := newPlace(t, true).repository(t, "e/f")
		_, err := transfer.Run(t.Context(), transfer.Job{From: from.repository(t, "a/b"), To: to, Image: image, Tag: "v1"})
		if u := new(oci.RegistryError); !errors.As(err, &u) || u.Reason != oci.TooMuch {
			t.Errorf("%.300v", err)
		}
	}
	from := newPlace(t, true)
	var kids, many []oci.Descriptor
	for i := range 100 {
		kids = append(kids, from.put(t, fmt.Sprint("k", i), func(m map[string]any) { m["annotations"] = map[string]string{"n": fmt.Sprint(i)} }, "layer"))
	}
	raw := indexOf(kids...)
	image := oci.Describe(raw, oci.TypeIndex)
	if err := from.repository(t, "a/b").Publish(t.Context(), "v1", image, raw); err != nil {
		t.Fatal(err)
	}
	for i := range 19_000 {
		many = append(many, oci.Descriptor{MediaType: "x/y", Size: 1, Digest: fmt.Sprintf("sha256:%064x", i), ArtifactType: "a/b"})
	}
	asked, body := 0, indexOf(many...)
	from.answer("GET /v2/a/b/referrers/", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, image.Digest) {
			from.mutex.Lock()
			asked++
			from.mutex.Unlock()
			w.Header().Set("Content-Type", oci.TypeIndex)
			w.Write(body)
			return
		}
		lists()(w, r)
	})
	tooMuch(from, image)
	if asked > 30 {
		t.Errorf("%d lists were read", asked)
	}
	bomb := from.put(t, "bomb", func(m map[string]any) { m["layers"] = make([]struct{}, 300_000) }, "layer")
	if _, err := transfer.Run(t.Context(), transfer.Job{From: from.repository(t, "a/b"), To: from.repository(t, "e/f"), Image: bomb}); !errors.Is(err, oci.ErrMalformed) {
		t.Errorf("%.300v", err)
	}
}
