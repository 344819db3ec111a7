// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
)

// own returns the list of a place, as its registry returns it.
func (p *place) own(t *testing.T) []Descriptor {
	t.Helper()
	s, err := New(Options{}).session(t.Context(), p.image.repo, "pull")
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.list(t.Context(), p.image)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestListBreaksOff checks that a list with a missing later page counts as not read, whatever
// the status: the first page was a list, so there is an API.
func TestListBreaksOff(t *testing.T) {
	t.Parallel()
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<h1>please log in</h1>")
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for what, second := range map[string]http.HandlerFunc{
		"404": status(404), "400": status(400), "405": status(405), "406": status(406), "403": status(403), "HTML": html,
	} {
		p := newPlace(t, true)
		p.attach(t, "one")
		listed := p.own(t)
		p.answer("/referrers/", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "2" {
				second(w, r)
				return
			}
			w.Header().Set("Link", "<"+r.URL.Path+`?page=2>; rel="next"`)
			lists(listed...)(w, r)
		})
		found, err := bundles(t, p.image)
		if u := new(RegistryError); !errors.As(err, &u) || u.Reason == NotFound || isNoAPI(err) {
			t.Errorf("%s: %v, %v", what, found, err)
		}
	}
}

// TestNoAPI checks that older registries' responses to the first request make the client read
// the tag.
func TestNoAPI(t *testing.T) {
	t.Parallel()
	for _, code := range []int{404, 400, 405, 406, 501, 204} {
		p := newPlace(t, false)
		p.attach(t, "one")
		p.answer("/referrers/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"one"}) {
			t.Error(code, contents(found), err)
		}
	}
}

// TestBothLists checks a registry that has gained the API: it lists later attachments, and
// earlier ones are under the tag. If the API lists a bundle, the tag is not read.
func TestBothLists(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false)
	p.attach(t, "old, by the tag")
	fresh := p.put(t, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"x/y","config":{"mediaType":%q,"size":2,"digest":%q},"layers":[],"subject":{"mediaType":%q,"size":%d,"digest":%q}}`,
		typeManifest, typeEmpty, digestOf([]byte("{}")), p.image.MediaType, p.image.Size, p.image.Digest))
	fresh.ArtifactType = "x/y"
	p.answer("/referrers/", lists(fresh))
	if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"old, by the tag"}) {
		t.Error(contents(found), err)
	}
	all, err := New(Options{}).Attachments(t.Context(), p.image)
	if err != nil || len(all) != 2 {
		t.Error(all, err)
	}
	q := newPlace(t, true)
	q.attach(t, "one")
	q.answer("nothing", nil)
	if _, err := bundles(t, q.image); err != nil {
		t.Fatal(err)
	}
	asked := q.asked()
	if n := len(slices.DeleteFunc(slices.Clone(asked), func(a string) bool { return a == "GET /v2/" })); n != 3 {
		t.Errorf("%d requests for an image with a bundle: %q", n, asked)
	}
}

// TestFatPages checks that the number of pages of four megabytes is bounded, and that only the
// needed part of each entry is kept in memory.
func TestFatPages(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	fat := Descriptor{MediaType: "x/y", Size: 1, Digest: digestOf([]byte("x")), ArtifactType: "x/z", Annotations: map[string]string{"a": strings.Repeat("A", 4<<20-600)}}
	pages := 0
	p.answer("/referrers/", func(w http.ResponseWriter, r *http.Request) {
		pages++
		w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, r.URL.Path, pages))
		lists(fat)(w, r)
	})
	_, err := bundles(t, p.image)
	if u := new(RegistryError); !errors.As(err, &u) || u.Reason != TooMuch || pages > maxList/(4<<20)+1 {
		t.Errorf("%d pages: %v", pages, err)
	}
	if short := fat.brief(); len(short.Annotations) != 0 || short.ArtifactType != "x/z" {
		t.Errorf("%.200v", short)
	}
	noted := Descriptor{ArtifactType: bundle.MediaType, Annotations: map[string]string{annotationPredicate: "p", "a": "b"}}
	if short := noted.brief(); len(short.Annotations) != 1 || short.Annotations[annotationPredicate] != "p" {
		t.Errorf("%v", short)
	}
}

// TestManifestOfManyValues checks that manifests that would be large once parsed are refused
// before parsing.
func TestManifestOfManyValues(t *testing.T) {
	t.Parallel()
	for what, filling := range map[string]string{"objects": "{}", "nulls": "null", "arrays": `{"urls":[]}`} {
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"config":{},"layers":[%s%s]}`, strings.Repeat(filling+",", maxValues), filling)
		if _, err := ParseContents(Descriptor{MediaType: typeManifest}, raw); !errors.Is(err, ErrMalformed) {
			t.Error(what, err)
		}
		if _, err := bundleIn(raw, ""); !errors.Is(err, ErrMalformed) {
			t.Error(what, err)
		}
		if _, err := parseIndex(raw); err == nil {
			t.Error(what)
		}
	}
	entry := Descriptor{MediaType: typeManifest, Size: 1, Digest: digestOf(nil), ArtifactType: "x/y"}
	raw, err := marshal(index{SchemaVersion: 2, MediaType: TypeIndex, Manifests: slices.Repeat([]Descriptor{entry}, MaxListed)})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := parseIndex(raw); err != nil || len(list.Manifests) != MaxListed {
		t.Error(len(list.Manifests), err)
	}
}

// TestOlder checks that LegacySignatures returns bundles under the tag that the API does not
// list, and signatures of cosign 1 and 2, except for known ones.
func TestOlder(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false)
	p.attach(t, "old, by the tag")
	p.legacy(t, signatureSuffix, Descriptor{MediaType: typeSimpleSigning}, "payload")
	p.legacy(t, attestationSuffix, Descriptor{MediaType: typeEnvelope}, "envelope")
	fresh := p.fresh(t, "by the API")
	p.answer("/referrers/", lists(fresh))
	found, err := bundles(t, p.image)
	if err != nil || !slices.Equal(contents(found), []string{"by the API"}) {
		t.Fatal(contents(found), err)
	}
	older, err := New(Options{}).LegacySignatures(t.Context(), p.image, []string{fresh.Digest})
	if err != nil || len(older) != 3 || string(older[0].Bundle) != "old, by the tag" || string(older[1].Payload) != "payload" || string(older[2].Detached.Signature) != "envelope" {
		t.Errorf("%+v, %v", older, err)
	}
	known := []string{fresh.Digest}
	for _, f := range older {
		known = append(known, f.Manifest)
	}
	if older, err = New(Options{}).LegacySignatures(t.Context(), p.image, known); err != nil || len(older) != 0 {
		t.Errorf("%+v, %v", older, err)
	}
	p.answer("GET /v2/a/b/manifests/sha256-", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	if _, err = New(Options{}).LegacySignatures(t.Context(), p.image, known); !errors.As(err, new(*RegistryError)) {
		t.Error(err)
	}
}

// fresh attaches a bundle that is under no tag.
func (p *place) fresh(t *testing.T, what string) Descriptor {
	t.Helper()
	m := Attachment{Bundle: []byte(what)}.manifest(p.image)
	s, err := New(Options{}).session(t.Context(), p.image.repo, "push,pull")
	if err != nil {
		t.Fatal(err)
	}
	for content, digest := range map[string]string{emptyConfig: m.Config.Digest, what: m.Layers[0].Digest} {
		if err := s.putBlob(t.Context(), digest, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return p.put(t, raw)
}
