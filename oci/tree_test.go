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

// What cosign 1 and 2 left is listed, and an image that has it is not unsigned.
func TestLegacy(t *testing.T) {
	for _, referrers := range []bool{true, false} {
		p := newPlace(t, referrers)
		p.answer("/manifests/"+p.image.fallbackTag()+".sig", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", typeManifest)
			fmt.Fprint(w, "{}")
		})
		found, err := bundles(t, p.image)
		u := new(Unseen)
		if err != nil || len(found) != 1 || !errors.As(found[0].Err, &u) || u.Reason != Foreign {
			t.Errorf("%v: %v, %v", referrers, contents(found), err)
		}
		p.attach(t, "one")
		if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"one"}) {
			t.Errorf("%v: %v, %v", referrers, contents(found), err)
		}
		all, err := New(Options{}).Attachments(t.Context(), p.image)
		if err != nil || len(all) != 2 || all[0].PredicateType != "https://example.com/p" || !strings.HasSuffix(all[1].Tag, ".sig") {
			t.Errorf("%v: %+v, %v", referrers, all, err)
		}
	}
}

func TestPlatforms(t *testing.T) {
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

// An index that seems to contain itself, or without end, comes to one.
func TestHostileIndexes(t *testing.T) {
	p := newPlace(t, true)
	index := func(all ...descriptor) []byte {
		raw, err := marshal(index{SchemaVersion: 2, MediaType: typeIndex, Manifests: all})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	leaf := descriptor{MediaType: typeManifest, Digest: digestOf(nil), Size: 1}
	of := func(raw []byte) descriptor {
		return descriptor{MediaType: typeIndex, Digest: digestOf(raw), Size: int64(len(raw))}
	}
	serve := func(top []byte, others ...[]byte) ([]Image, error) {
		p.answer("GET /v2/a/b/manifests/", func(w http.ResponseWriter, r *http.Request) {
			for _, raw := range append(others, top) {
				if strings.HasSuffix(r.URL.Path, digestOf(raw)) {
					_, _ = w.Write(raw)
					return
				}
			}
			_, _ = w.Write(top) // whatever was asked for
		})
		return New(Options{}).Platforms(t.Context(), Image{Repository: p.repo(), Digest: digestOf(top), MediaType: typeIndex, Size: int64(len(top)), repo: p.image.repo})
	}
	inner := index(leaf, leaf)
	if all, err := serve(index(of(inner), leaf, of(inner)), inner); err != nil || len(all) != 2 {
		t.Error(all, err)
	}
	lying := descriptor{MediaType: typeIndex, Digest: digestOf([]byte("itself")), Size: 1}
	many := make([]descriptor, MaxPlatforms+1)
	for i := range many {
		many[i] = descriptor{MediaType: typeManifest, Digest: digestOf(fmt.Append(nil, i)), Size: 1}
	}
	for what, top := range map[string][]byte{
		"contains itself": index(lying), "many": index(many...), "a huge one": index(descriptor{MediaType: typeIndex, Digest: lying.Digest, Size: 5 << 20}),
		"another digest": index(descriptor{MediaType: typeIndex, Digest: "md5:00", Size: 1}), "rubbish": []byte("[]"),
	} {
		all, err := serve(top)
		if u := new(Unseen); !errors.As(err, &u) || all != nil {
			t.Errorf("%s: %v, %v", what, all, err)
		}
	}
}
