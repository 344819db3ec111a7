// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Parallel(m) }

// A place is a registry on loopback with one image in it, a/b:v1. before may respond to a
// request in the registry's place.
type place struct {
	*httptest.Server
	image  Image
	before func(w http.ResponseWriter, r *http.Request) bool

	mutex    sync.Mutex
	requests []string
}

func newPlace(t *testing.T, referrers bool) *place {
	t.Helper()
	p := &place{before: func(http.ResponseWriter, *http.Request) bool { return false }}
	inner := registry.New(registry.WithReferrersSupport(referrers), registry.Logger(log.New(io.Discard, "", 0)))
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mutex.Lock()
		p.requests = append(p.requests, r.Method+" "+r.URL.Path)
		before := p.before
		p.mutex.Unlock()
		if !before(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(p.Close)
	ref, err := name.ParseReference(p.repo() + ":v1")
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	p.image = p.resolve(t, ":v1")
	return p
}

func (p *place) host() string { return strings.TrimPrefix(p.URL, "http://") }
func (p *place) repo() string { return p.host() + "/a/b" }

func (p *place) ref(t *testing.T, what string) Reference {
	t.Helper()
	r, err := ParseReference(p.repo() + what)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (p *place) resolve(t *testing.T, what string) Image {
	t.Helper()
	image, err := New(Options{}).Resolve(t.Context(), p.ref(t, what))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// answer makes the registry respond to matching requests with how.
func (p *place) answer(fits string, how http.HandlerFunc) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.requests = nil
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.Method+" "+r.URL.Path, fits) {
			return false
		}
		how(w, r)
		return true
	}
}

func (p *place) asked() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.requests
}

func (p *place) attach(t *testing.T, what string) {
	t.Helper()
	_, err := New(Options{}).Attach(t.Context(), p.image, Attachment{Bundle: []byte(what), PredicateType: "https://example.com/p", Created: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
}

func bundles(t *testing.T, image Image) ([]Signature, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	return New(Options{Timeout: time.Minute}).Bundles(ctx, image)
}

// put puts any manifest, and returns its descriptor.
func (p *place) put(t *testing.T, raw []byte) Descriptor {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, p.URL+"/v2/a/b/manifests/"+digestOf(raw), bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", typeManifest)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	return Descriptor{MediaType: typeManifest, Digest: digestOf(raw), Size: int64(len(raw)), ArtifactType: bundle.MediaType}
}

// lists makes the registry list these descriptors as referrers.
func lists(all ...Descriptor) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		raw, err := marshal(index{SchemaVersion: 2, MediaType: TypeIndex, Manifests: all})
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", TypeIndex)
		fmt.Fprint(w, string(raw))
	}
}
