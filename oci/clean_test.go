// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-sign/hallmark/wire/intoto"
)

func removables(t *testing.T, image Image) []Removable {
	t.Helper()
	all, err := New(Options{}).Removables(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRemove checks that removed attachments are not found any more, in either form of
// storage, and the others are.
func TestRemove(t *testing.T) {
	t.Parallel()
	for _, referrers := range []bool{true, false} {
		p := newPlace(t, referrers)
		p.attach(t, "one")
		if _, err := New(Options{}).Attach(t.Context(), p.image, Attachment{Bundle: []byte("signed"), PredicateType: intoto.TypeSigned}); err != nil {
			t.Fatal(err)
		}
		p.legacy(t, signatureSuffix, Descriptor{MediaType: typeSimpleSigning}, "payload")
		p.legacy(t, attestationSuffix, Descriptor{MediaType: typeEnvelope}, "envelope")
		all := removables(t, p.image)
		if len(all) != 4 || slices.ContainsFunc(all, func(r Removable) bool { return r.Blocked != "" || r.Gone || r.IsSignature() == r.IsAttestation() }) {
			t.Fatalf("%+v", all)
		}
		signatures := slices.DeleteFunc(slices.Clone(all), func(r Removable) bool { return !r.IsSignature() })
		if err := New(Options{}).Remove(t.Context(), p.image, signatures); err != nil || len(signatures) != 2 {
			t.Fatal(signatures, err)
		}
		if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"one"}) {
			t.Error(contents(found), err)
		}
		if rest := removables(t, p.image); len(rest) != 2 || !rest[0].IsAttestation() || !rest[1].IsAttestation() {
			t.Errorf("%+v", rest)
		}
		if err := New(Options{}).Remove(t.Context(), p.image, signatures); err != nil {
			t.Errorf("again: %v", err)
		}
		if got := p.resolve(t, ":v1"); got.Digest != p.image.Digest {
			t.Error("the image was deleted")
		}
	}
}

// TestRemoveKeeps checks that the image, its parts, attachments of other images and manifests
// with a tag of their own are kept, whatever a registry lists.
func TestRemoveKeeps(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	index, err := random.Index(100, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(p.repo() + ":index")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, index); err != nil {
		t.Fatal(err)
	}
	other := p.image
	p.attach(t, "on another image")
	found, err := bundles(t, other)
	if err != nil {
		t.Fatal(err)
	}
	stray := p.resolve(t, "@"+found[0].Manifest)
	p.image = p.resolve(t, ":index")
	platforms, err := New(Options{}).Platforms(t.Context(), p.image)
	if err != nil {
		t.Fatal(err)
	}
	p.attach(t, "tagged")
	if found, err = bundles(t, p.image); err != nil {
		t.Fatal(err)
	}
	tagged := p.resolve(t, "@"+found[0].Manifest)
	s, err := New(Options{}).session(t.Context(), p.image.repo, "push,pull")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.get(t.Context(), "manifests", tagged.Descriptor())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mine", p.image.fallbackTag() + sbomSuffix} {
		if _, err := s.putManifest(t.Context(), name, typeManifest, raw); err != nil {
			t.Fatal(err)
		}
	}
	gone := Descriptor{MediaType: typeManifest, Size: 4, Digest: digestOf([]byte("gone"))}
	p.answer("/referrers/", lists(p.image.Descriptor(), platforms[0].Descriptor(), stray.Descriptor(), tagged.Descriptor(), gone, Descriptor{Digest: "sha256:../x"}))
	all := removables(t, p.image)
	if len(all) != 7 || !all[4].Gone || all[4].Blocked != "" {
		t.Fatalf("%+v", all)
	}
	for i, want := range []string{"part of the image", "part of the image", "not attached", "the tag mine", "", "malformed", "the tag mine"} {
		if !strings.Contains(all[i].Blocked, want) {
			t.Errorf("%+v, want %q", all[i], want)
		}
		if err := New(Options{}).Remove(t.Context(), p.image, all[i:i+1]); want != "" && err == nil {
			t.Errorf("%+v was removed", all[i])
		}
	}
	for _, r := range p.asked() {
		if strings.HasPrefix(r, "DELETE") && !strings.HasSuffix(r, gone.Digest) {
			t.Error(r)
		}
	}
}

// TestRemoveBesideWriters checks that signatures added during a removal are not lost.
func TestRemoveBesideWriters(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false)
	p.attach(t, "old")
	old := removables(t, p.image)
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			if _, err := New(Options{}).Attach(t.Context(), p.image, Attachment{Bundle: fmt.Append(nil, i)}); err != nil {
				t.Error(err)
			}
		})
	}
	if err := New(Options{}).Remove(t.Context(), p.image, old); err != nil {
		t.Error(err)
	}
	all.Wait()
	found, err := bundles(t, p.image)
	news := slices.DeleteFunc(contents(found), func(c string) bool { return len(c) != 1 })
	if err != nil || !slices.Equal(news, []string{"0", "1", "2"}) {
		t.Error(contents(found), err)
	}
}

func TestRemoveRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false)
	p.attach(t, "one")
	all := removables(t, p.image)
	p.answer("DELETE ", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) })
	err := New(Options{}).Remove(t.Context(), p.image, all)
	if found, unseen := bundles(t, p.image); !errors.Is(err, ErrUndeletable) || unseen != nil || len(found) != 1 {
		t.Errorf("%v; it is hidden now: %v, %v", err, found, unseen)
	}
	for status, want := range map[int]func(error) bool{
		405: func(err error) bool { return errors.Is(err, ErrUndeletable) },
		403: func(err error) bool { u := new(RegistryError); return errors.As(err, &u) && u.Reason == Denied },
		500: func(err error) bool { u := new(RegistryError); return errors.As(err, &u) && u.Reason == Unavailable },
		202: func(err error) bool { u := new(RegistryError); return errors.As(err, &u) && u.Reason == Garbled }, // and does nothing
	} {
		p := newPlace(t, true)
		p.attach(t, "one")
		all := removables(t, p.image)
		p.answer("DELETE ", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if err := New(Options{}).Remove(t.Context(), p.image, all); err == nil || !want(err) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestTagsUnseen checks that nothing is removable if the tags' manifests can't be read.
func TestTagsUnseen(t *testing.T) {
	t.Parallel()
	for what, how := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"rubbish": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") },
		"endless": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "<"+r.URL.Path+`?n=1>; rel="next"`)
			fmt.Fprint(w, `{"tags":null}`)
		},
		"many": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "<"+r.URL.Path+`?n=1>; rel="next"`)
			fmt.Fprintf(w, `{"tags":["v1"%s]}`, strings.Repeat(`,"v1"`, maxTags))
		},
	} {
		p := newPlace(t, true)
		p.attach(t, "one")
		p.answer("/tags/list", how)
		all, err := New(Options{}).Removables(t.Context(), p.image)
		if u := new(RegistryError); !errors.As(err, &u) || all != nil {
			t.Errorf("%s: %v, %v", what, all, err)
		}
	}
}
