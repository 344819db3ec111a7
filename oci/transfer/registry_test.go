// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

func TestMain(m *testing.M) { testkit.Parallel(m) }

const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// A place is a registry on loopback. before may respond to a request in its place.
type place struct {
	*httptest.Server
	inner    http.Handler
	mutex    sync.Mutex
	before   func(w http.ResponseWriter, r *http.Request) bool
	requests []string
}

func newPlace(t *testing.T, referrers bool) *place {
	t.Helper()
	p := &place{inner: registry.New(registry.WithReferrersSupport(referrers), registry.Logger(log.New(io.Discard, "", 0)))}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mutex.Lock()
		p.requests = append(p.requests, r.Method+" "+r.URL.Path)
		before := p.before
		p.mutex.Unlock()
		if before == nil || !before(w, r) {
			p.inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// answer makes the registry respond to matching requests with how; nil ends that.
func (p *place) answer(fits string, how http.HandlerFunc) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.requests, p.before = nil, nil
	if how != nil {
		p.before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.Method+" "+r.URL.Path, fits) {
				return false
			}
			how(w, r)
			return true
		}
	}
}

func (p *place) asked(fits string) (n int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, r := range p.requests {
		if strings.Contains(r, fits) {
			n++
		}
	}
	return n
}

func (p *place) ref(t *testing.T, what string) oci.Reference {
	t.Helper()
	r, err := oci.ParseReference(strings.TrimPrefix(p.URL, "http://") + "/" + what)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func client() *oci.Client {
	return oci.New(oci.Options{Timeout: time.Minute, Keychain: oci.Anonymous()})
}

func (p *place) repository(t *testing.T, repo string) *oci.Repository {
	t.Helper()
	return client().Repository(p.ref(t, repo+":any"))
}

func (p *place) resolve(t *testing.T, what string) oci.Image {
	t.Helper()
	image, err := client().Resolve(t.Context(), p.ref(t, what))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// has reports whether the registry responds with 200.
func (p *place) has(t *testing.T, path string) bool {
	t.Helper()
	resp, err := http.Get(p.URL + "/v2/" + path)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// push puts an index of two platforms and a nested index at a/b:v1.
func (p *place) push(t *testing.T) oci.Image {
	t.Helper()
	inner, err := random.Index(100, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := random.Index(100, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(p.ref(t, "a/b:v1").String())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref.Context().Tag("v1"), mutate.AppendManifests(outer, mutate.IndexAddendum{Add: inner})); err != nil {
		t.Fatal(err)
	}
	return p.resolve(t, "a/b:v1")
}

func (p *place) attach(t *testing.T, image oci.Image, what string) oci.Image {
	t.Helper()
	digest, err := client().Attach(t.Context(), image, oci.Attachment{Bundle: []byte(what), Created: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return p.resolve(t, "a/b@"+digest)
}

// put puts a manifest of these blobs at a/b, under a name or by its digest.
func (p *place) put(t *testing.T, name string, change func(m map[string]any), blobs ...string) oci.Descriptor {
	t.Helper()
	to := p.repository(t, "a/b")
	var all []oci.Descriptor
	for _, blob := range append([]string{"{}"}, blobs...) {
		d := oci.Descriptor{MediaType: typeLayer, Size: int64(len(blob)), Digest: digestOf([]byte(blob))}
		open := func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(blob)), nil }
		if err := to.PutBlob(t.Context(), d, open); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	m := map[string]any{"schemaVersion": 2, "mediaType": typeManifest, "config": all[0], "layers": all[1:]}
	if change != nil {
		change(m)
	}
	raw, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	d := oci.Describe(raw, typeManifest)
	if _, err := to.PutManifest(t.Context(), d, raw); err != nil {
		t.Fatal(err)
	}
	if err := to.Publish(t.Context(), name, d, raw); err != nil {
		t.Fatal(err)
	}
	return d
}

func digestOf(raw []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(raw)) }

// run copies an image from a/b at one registry to c/d:v1 at another.
func run(t *testing.T, from, to *place, image oci.Descriptor) *transfer.Report {
	t.Helper()
	report, err := transfer.Run(t.Context(), transfer.Job{
		From: from.repository(t, "a/b"), To: to.repository(t, "c/d"), Image: image, Tag: "v1",
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// lists returns a handler that responds with a list of referrers.
func lists(all ...oci.Descriptor) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", oci.TypeIndex)
		_, _ = io.Copy(w, bytes.NewReader(indexOf(all...)))
	}
}

func indexOf(all ...oci.Descriptor) []byte {
	raw, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": oci.TypeIndex, "manifests": all}, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return raw
}
