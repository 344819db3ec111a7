// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestLegacy checks that signatures of cosign 1 and 2 are read if there is no bundle, and
// listed.
func TestLegacy(t *testing.T) {
	t.Parallel()
	for _, referrers := range []bool{true, false} {
		p := newPlace(t, referrers)
		p.legacy(t, signatureSuffix, Descriptor{MediaType: typeSimpleSigning, Annotations: map[string]string{noteSignature: "c2ln", noteCertificate: "PEM"}}, "payload")
		p.legacy(t, attestationSuffix, Descriptor{MediaType: typeEnvelope, Annotations: map[string]string{noteEntry: "{}"}}, "envelope")
		found, err := bundles(t, p.image)
		if err != nil || len(found) != 2 || found[0].Err != nil || found[1].Err != nil {
			t.Fatal(contents(found), err)
		}
		if d := found[0].Detached; string(found[0].Payload) != "payload" || string(d.Signature) != "c2ln" || string(d.Certificate) != "PEM" {
			t.Errorf("%+v", found[0])
		}
		if d := found[1].Detached; found[1].Payload != nil || string(d.Signature) != "envelope" || string(d.LogEntry) != "{}" {
			t.Errorf("%+v", found[1])
		}
		p.attach(t, "one")
		if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"one"}) {
			t.Errorf("%v: %v, %v", referrers, contents(found), err)
		}
		all, err := New(Options{}).Attachments(t.Context(), p.image)
		if err != nil || len(all) != 3 || all[0].PredicateType != "https://example.com/p" || !strings.HasSuffix(all[1].Tag, ".sig") || !strings.HasSuffix(all[2].Tag, ".att") {
			t.Errorf("%v: %+v, %v", referrers, all, err)
		}
	}
}

// legacy puts one layer under a tag as cosign 2 does.
func (p *place) legacy(t *testing.T, suffix string, layer Descriptor, content string) {
	t.Helper()
	s, err := New(Options{}).session(t.Context(), p.image.repo, "push,pull")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.putBlob(t.Context(), digestOf([]byte(content)), []byte(content)); err != nil {
		t.Fatal(err)
	}
	layer.Size, layer.Digest = int64(len(content)), digestOf([]byte(content))
	raw, err := marshal(manifest{SchemaVersion: 2, MediaType: typeManifest, Layers: []Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.putManifest(t.Context(), p.image.fallbackTag()+suffix, typeManifest, raw); err != nil {
		t.Fatal(err)
	}
}

// TestHostileLegacy checks that hostile layers are refused one by one, and that an unreadable
// tag leaves it unknown whether the image is signed.
func TestHostileLegacy(t *testing.T) {
	t.Parallel()
	for what, raw := range map[string]string{
		"rubbish":      "[]",
		"40 GB":        `{"schemaVersion":2,"layers":[{"mediaType":"` + typeEnvelope + `","size":40000000000,"digest":"` + digestOf(nil) + `"}]}`,
		"a layer":      `{"schemaVersion":2,"layers":[{"mediaType":"text/html","size":4,"digest":"` + digestOf(nil) + `"}]}`,
		"no digest":    `{"schemaVersion":2,"layers":[{"mediaType":"` + typeEnvelope + `","size":4,"digest":"../x"}]}`,
		"huge payload": `{"schemaVersion":2,"layers":[{"mediaType":"` + typeSimpleSigning + `","size":4000000,"digest":"` + digestOf(nil) + `"}]}`,
	} {
		p := newPlace(t, true)
		p.answer("/manifests/"+p.image.fallbackTag()+".sig", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, raw) })
		found, err := bundles(t, p.image)
		if err != nil || len(found) != 1 || !errors.Is(found[0].Err, ErrMalformed) {
			t.Errorf("%s: %v, %v", what, contents(found), err)
		}
	}
	p := newPlace(t, true)
	p.answer("/manifests/"+p.image.fallbackTag()+".att", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	_, err := bundles(t, p.image)
	if u := new(RegistryError); !errors.As(err, &u) || u.Reason != Denied {
		t.Error(err)
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	index, err := random.Index(100, 1, 3)
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
	for what, want := range map[string]int{":index": 3, ":v1": 0} {
		all, err := New(Options{}).Platforms(t.Context(), p.resolve(t, what))
		if err != nil || len(all) != want {
			t.Errorf("%s: %v, %v", what, all, err)
		}
		for _, one := range all {
			if again := p.resolve(t, "@"+one.Digest); again != one {
				t.Errorf("%+v, and then %+v", one, again)
			}
		}
	}
}

// TestHostileIndexes checks that an index that seems to contain itself, or to be endless,
// yields one platform.
func TestHostileIndexes(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	index := func(all ...Descriptor) []byte {
		raw, err := marshal(index{SchemaVersion: 2, MediaType: TypeIndex, Manifests: all})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	leaf := Descriptor{MediaType: typeManifest, Digest: digestOf(nil), Size: 1}
	of := func(raw []byte) Descriptor {
		return Descriptor{MediaType: TypeIndex, Digest: digestOf(raw), Size: int64(len(raw))}
	}
	serve := func(top []byte, others ...[]byte) ([]Image, error) {
		p.answer("GET /v2/a/b/manifests/", func(w http.ResponseWriter, r *http.Request) {
			for _, raw := range append(others, top) {
				if strings.HasSuffix(r.URL.Path, digestOf(raw)) {
					_, _ = w.Write(raw)
					return
				}
			}
			_, _ = w.Write(top) // for any request
		})
		return New(Options{}).Platforms(t.Context(), Image{Repository: p.repo(), Digest: digestOf(top), MediaType: TypeIndex, Size: int64(len(top)), repo: p.image.repo})
	}
	inner := index(leaf, leaf)
	if all, err := serve(index(of(inner), leaf, of(inner)), inner); err != nil || len(all) != 2 {
		t.Error(all, err)
	}
	lying := Descriptor{MediaType: TypeIndex, Digest: digestOf([]byte("itself")), Size: 1}
	many := make([]Descriptor, maxPlatforms+1)
	for i := range many {
		many[i] = Descriptor{MediaType: typeManifest, Digest: digestOf(fmt.Append(nil, i)), Size: 1}
	}
	for what, top := range map[string][]byte{
		"contains itself": index(lying), "many": index(many...), "a huge one": index(Descriptor{MediaType: TypeIndex, Digest: lying.Digest, Size: 5 << 20}),
		"another digest": index(Descriptor{MediaType: TypeIndex, Digest: "md5:00", Size: 1}), "rubbish": []byte("[]"),
	} {
		all, err := serve(top)
		if u := new(RegistryError); !errors.As(err, &u) || all != nil {
			t.Errorf("%s: %v, %v", what, all, err)
		}
	}
}
