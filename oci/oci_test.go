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
)

// TestRoundTrip checks that an attached bundle is found, in either form of storage, and by
// tag.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, referrers := range []bool{true, false} {
		p := newPlace(t, referrers)
		if found, err := bundles(t, p.image); err != nil || len(found) != 0 {
			t.Fatalf("referrers %v: unsigned image: %v, %v", referrers, found, err)
		}
		p.attach(t, "one")
		p.attach(t, "two")
		found, err := bundles(t, p.resolve(t, ":v1"))
		if err != nil || !slices.Equal(contents(found), []string{"one", "two"}) {
			t.Errorf("referrers %v: %v, %v", referrers, found, err)
		}
		p.attach(t, "two") // again changes nothing
		if found, err := bundles(t, p.image); err != nil || len(found) != 2 {
			t.Errorf("referrers %v, the second time: %v, %v", referrers, found, err)
		}
	}
}

func contents(found []Signature) []string {
	var all []string
	for _, f := range found {
		if f.Err != nil {
			all = append(all, f.Err.Error())
		} else {
			all = append(all, string(f.Bundle))
		}
	}
	slices.Sort(all)
	return all
}

// TestGainedAPI checks a registry that has gained the API and may not list earlier
// attachments.
func TestGainedAPI(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false)
	p.attach(t, "one")
	p.answer("/referrers/", lists())
	if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"one"}) {
		t.Error(contents(found), err)
	}
}

// TestManyWriters checks that concurrent signers lose nothing in a registry without referrers
// API.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false)
	const writers = 5
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			if _, err := New(Options{}).Attach(t.Context(), p.image, Attachment{Bundle: fmt.Append(nil, i)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if found, err := bundles(t, p.image); err != nil || len(found) != writers {
		t.Errorf("%d of %d: %v", len(found), writers, err)
	}
}

// TestThreeRequests checks that an image by digest costs three requests: a list, a manifest
// and a bundle.
func TestThreeRequests(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	p.attach(t, "one")
	image, ok := p.ref(t, "@"+p.image.Digest).Named()
	if !ok {
		t.Fatal("no digest")
	}
	p.answer("nothing", nil)
	if found, err := bundles(t, image); err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	p.requests = slices.DeleteFunc(p.asked(), func(r string) bool { return r == "GET /v2/" })
	if len(p.requests) != 3 {
		t.Error(p.requests)
	}
}

// TestTwoRegistries checks that one client distinguishes registries that have a repository of
// the same name.
func TestTwoRegistries(t *testing.T) {
	t.Parallel()
	one, two := newPlace(t, true), newPlace(t, true)
	one.attach(t, "one")
	c := New(Options{})
	for _, p := range []*place{one, two} {
		image, err := c.Resolve(t.Context(), p.ref(t, ":v1"))
		if err != nil || image != p.image {
			t.Errorf("%v, %v", image, err)
		}
		if found, err := c.Bundles(t.Context(), image); err != nil || (len(found) == 1) != (p == one) {
			t.Error(contents(found), err)
		}
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("ab", 32)
	for _, good := range []string{"localhost:5000/a:v1", "ghcr.io/a/b/c@sha256:" + hex, "127.0.0.1:1/a:b", "[::1]:5000/a:b"} {
		if r, err := ParseReference(good); err != nil || r.String() != good || !LooksLikeImage(good) {
			t.Errorf("%s: %v, %v", good, r, err)
		}
	}
	for _, bad := range []string{"", "alpine", "ghcr.io/a", "ghcr.io/A:b", "ghcr.io/a@sha256:ab", "ghcr.io/a@sha512:" + hex + hex, "ghcr.io/a@sha256:" + strings.ToUpper(hex), "ghcr.io/a b:c"} {
		if _, err := ParseReference(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, file := range []string{"alpine:3", "dist/a.zip", "./a:b", "../a:b", "v1.2/a.tar.gz", "library/alpine:3", "C:/a.zip"} {
		if LooksLikeImage(file) {
			t.Errorf("%q looks like an image", file)
		}
	}
}

// TestUnseen checks the three results: an image that could not be looked up is never reported
// as unsigned.
func TestUnseen(t *testing.T) {
	for _, c := range []struct {
		fits   string
		status int
		want   Reason
	}{
		{"/referrers/", 401, Denied}, {"/referrers/", 403, Denied}, {"/referrers/", 429, Busy}, {"/referrers/", 500, Unavailable},
		{"/referrers/", 503, Unavailable}, {"/v2/", 404, NotFound}, {"/a/b/", 404, NotFound}, {"/v2/", 401, Denied}, {"/v2/", 418, Refused},
	} {
		t.Run(fmt.Sprint(c.fits, c.status), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, true)
			p.attach(t, "one")
			p.answer(c.fits, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) })
			image, _ := p.ref(t, "@"+p.image.Digest).Named()
			found, err := bundles(t, image)
			if u := new(RegistryError); !errors.As(err, &u) || u.Reason != c.want || found != nil {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
}

// TestOneUnseen checks that an attachment that can't be fetched is reported, and does not hide
// the others.
func TestOneUnseen(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"manifests", "blobs"} {
		p := newPlace(t, true)
		p.attach(t, "one")
		p.attach(t, "two")
		missing := digestOf([]byte("two"))
		if kind == "manifests" {
			found, err := bundles(t, p.image)
			if err != nil {
				t.Fatal(err)
			}
			missing = found[slices.IndexFunc(found, func(f Signature) bool { return string(f.Bundle) == "two" })].Manifest
		}
		p.answer("GET /v2/a/b/"+kind+"/"+missing, http.NotFound)
		found, err := bundles(t, p.image)
		if err != nil || len(found) != 2 {
			t.Fatal(found, err)
		}
		u := new(RegistryError)
		if i := slices.IndexFunc(found, func(f Signature) bool { return errors.As(f.Err, &u) }); i < 0 || string(found[1-i].Bundle) != "one" || u.Reason != NotFound {
			t.Error(contents(found))
		}
	}
}
