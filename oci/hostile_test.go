// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
)

// TestHostileLists uses registries that return false lists.
func TestHostileLists(t *testing.T) {
	page := func(w http.ResponseWriter, next string, n int) {
		if next != "" {
			w.Header().Set("Link", "<"+next+`>; rel="next"`)
		}
		other := Descriptor{MediaType: typeManifest, Size: 3, Digest: digestOf([]byte("x")), ArtifactType: "text/plain"}
		lists(slices.Repeat([]Descriptor{other}, n)...)(w, nil)
	}
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", TypeIndex)
			fmt.Fprint(w, text)
		}
	}
	for what, c := range map[string]struct {
		how  http.HandlerFunc
		want Reason
	}{
		"endless pages": {func(w http.ResponseWriter, r *http.Request) { page(w, r.URL.Path+"?n="+r.URL.Query().Get("n")+"1", 0) }, TooMuch},
		"a circle":      {func(w http.ResponseWriter, r *http.Request) { page(w, r.URL.Path, 0) }, TooMuch},
		"too many": {func(w http.ResponseWriter, r *http.Request) {
			page(w, r.URL.Path+"?n="+r.URL.Query().Get("n")+"1", 7_000)
		}, TooMuch},
		"another host": {func(w http.ResponseWriter, _ *http.Request) { page(w, "http://example.com/v2/", 0) }, Garbled},
		"odd link":     {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Link", "next"); lists()(w, nil) }, Garbled},
		"5 MB":         {raw(`{"schemaVersion":2,"manifests":[` + strings.Repeat(" ", 5<<20) + `]}`), Garbled},
		"twice":        {raw(`{"schemaVersion":2,"manifests":[],"manifests":[]}`), Garbled},
		"no JSON":      {raw(`<html>`), Garbled},
		"schema 1":     {raw(`{"schemaVersion":1,"manifests":[]}`), Garbled},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, true)
			p.answer("/referrers/", c.how)
			found, err := bundles(t, p.image)
			if u := new(RegistryError); !errors.As(err, &u) || u.Reason != c.want || found != nil {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
}

// TestManyReferrers lists ten thousand referrers on a hundred pages, with the only bundle on
// the last.
func TestManyReferrers(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	p.attach(t, "one")
	found, err := bundles(t, p.image)
	if err != nil {
		t.Fatal(err)
	}
	other := Descriptor{MediaType: typeManifest, Size: 3, Digest: digestOf([]byte("x")), ArtifactType: "text/plain"}
	own := Descriptor{MediaType: typeManifest, Size: manifestSize(t, p, found[0].Manifest), Digest: found[0].Manifest, ArtifactType: bundle.MediaType}
	p.answer("/referrers/", func(w http.ResponseWriter, r *http.Request) {
		n := len(r.URL.Query().Get("n"))
		if n == 99 {
			lists(append(slices.Repeat([]Descriptor{other}, 99), own)...)(w, r)
			return
		}
		w.Header().Set("Link", fmt.Sprintf(`<%s?n=%s>; rel="next"`, r.URL.Path, strings.Repeat("1", n+1)))
		lists(slices.Repeat([]Descriptor{other}, 100)...)(w, r)
	})
	if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"one"}) {
		t.Error(contents(found), err)
	}
	// if all are bundles, those that are not fetched are reported
	p.answer("/referrers/", lists(slices.Repeat([]Descriptor{own}, maxBundles+1)...))
	found, err = bundles(t, p.image)
	if u := new(RegistryError); err != nil || len(found) != maxBundles+1 || !errors.As(found[maxBundles].Err, &u) || u.Reason != TooMuch {
		t.Error(len(found), err)
	}
}

func manifestSize(t *testing.T, p *place, digest string) int64 {
	t.Helper()
	resp, err := http.Head(p.URL + "/v2/a/b/manifests/" + digest)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.ContentLength
}

// TestHostileAttachments checks that malformed attachments are each refused without hiding
// others.
func TestHostileAttachments(t *testing.T) {
	t.Parallel()
	good := func(image Image) manifest { return Attachment{Bundle: []byte("good")}.manifest(image) }
	for what, change := range map[string]func(m *manifest){
		"subject of another image": func(m *manifest) { m.Subject.Digest = digestOf([]byte("another")) },
		"no subject":               func(m *manifest) { m.Subject = nil },
		"two layers":               func(m *manifest) { m.Layers = append(m.Layers, m.Layers[0]) },
		"no layer":                 func(m *manifest) { m.Layers = nil },
		"another layer":            func(m *manifest) { m.Layers[0].MediaType = "text/html" },
		"40 GB":                    func(m *manifest) { m.Layers[0].Size = 40 << 30 },
		"less than nothing":        func(m *manifest) { m.Layers[0].Size = -1 },
		"digest that climbs":       func(m *manifest) { m.Layers[0].Digest = "sha256:../../../x" },
		"sha512":                   func(m *manifest) { m.Layers[0].Digest = "sha512:" + strings.Repeat("ab", 64) },
		"media type":               func(m *manifest) { m.MediaType = typeDockerManifest },
	} {
		p := newPlace(t, true)
		p.attach(t, "good")
		m := good(p.image)
		change(&m)
		raw, err := marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		bad, first := p.put(t, raw), goodOne(t, p)
		p.answer("/referrers/", lists(bad, first))
		found, err := bundles(t, p.image)
		if err != nil || len(found) != 2 || !errors.Is(found[0].Err, ErrMalformed) || string(found[1].Bundle) != "good" {
			t.Errorf("%s: %v, %v", what, contents(found), err)
		}
	}
}

// TestBudget checks that a thousand of the largest attachments cost no more than two: blobs
// beyond the budget of an image are not requested.
func TestBudget(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	for i := range 30 {
		m := Attachment{Bundle: fmt.Append(nil, i)}.manifest(p.image)
		m.Layers[0].Size = bundle.MaxSize
		raw, err := marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		p.put(t, raw)
	}
	p.answer("/blobs/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	found, err := bundles(t, p.image)
	tooMuch := 0
	for _, f := range found {
		if u := new(RegistryError); errors.As(f.Err, &u) && u.Reason == TooMuch {
			tooMuch++
		}
	}
	asked := 0
	for _, request := range p.asked() {
		if strings.Contains(request, "/blobs/") {
			asked++
		}
	}
	if err != nil || len(found) != 30 || tooMuch != 28 || asked != 2 {
		t.Errorf("%d found, %d too much, %d blobs asked for: %v", len(found), tooMuch, asked, err)
	}
}

// TestLargeBundle checks that a bundle of 130 megabytes is attached and fetched with little
// more memory than its size.
func TestLargeBundle(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	large := bytes.Repeat([]byte("x"), 130<<20)
	if _, err := New(Options{}).Attach(t.Context(), p.image, Attachment{Bundle: large}); err != nil {
		t.Fatal(err)
	}
	found, err := bundles(t, p.image)
	if err != nil || len(found) != 1 || !bytes.Equal(found[0].Bundle, large) {
		t.Fatal(len(found), err)
	}
	if cap(found[0].Bundle) > len(large)+1<<20 {
		t.Errorf("%d bytes for %d", cap(found[0].Bundle), len(large))
	}
	large = append(large, make([]byte, bundle.MaxSize)...)
	if _, err := New(Options{}).Attach(t.Context(), p.image, Attachment{Bundle: large}); err == nil {
		t.Error("a bundle is attached that is too large to be read")
	}
}

func goodOne(t *testing.T, p *place) Descriptor {
	t.Helper()
	found, err := bundles(t, p.image)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if string(f.Bundle) == "good" {
			return Descriptor{MediaType: typeManifest, Digest: f.Manifest, Size: manifestSize(t, p, f.Manifest), ArtifactType: bundle.MediaType}
		}
	}
	t.Fatal("no good one")
	return Descriptor{}
}

// TestLyingDigests checks that content with a wrong digest counts as not fetched.
func TestLyingDigests(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"/blobs/", "/manifests/"} {
		p := newPlace(t, true)
		p.attach(t, "good")
		own := goodOne(t, p)
		p.answer("/referrers/", lists(own))
		before := p.before
		p.before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, kind) {
				fmt.Fprint(w, strings.Repeat("e", map[string]int{"/blobs/": 4, "/manifests/": int(own.Size)}[kind]))
				return true
			}
			return before(w, r)
		}
		found, err := bundles(t, p.image)
		if u := new(RegistryError); err != nil || len(found) != 1 || !errors.As(found[0].Err, &u) || u.Reason != Garbled {
			t.Errorf("%s: %v, %v", kind, contents(found), err)
		}
	}
	p := newPlace(t, true)
	p.answer("/manifests/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	_, err := New(Options{}).Resolve(t.Context(), p.ref(t, "@"+p.image.Digest))
	if u := new(RegistryError); !errors.As(err, &u) || u.Reason != Garbled {
		t.Error(err)
	}
}

// TestOtherArtifacts checks that other artifacts do not count as bundles, even if the list
// does not state their type.
func TestOtherArtifacts(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	m := Attachment{Bundle: []byte("sbom")}.manifest(p.image)
	m.ArtifactType, m.Layers[0].MediaType = "", "application/spdx+json"
	raw, err := marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	p.put(t, raw)
	if found, err := bundles(t, p.image); err != nil || len(found) != 0 {
		t.Error(contents(found), err)
	}
}

// TestNotAsked checks a registry with an untrusted certificate, and unreadable credentials:
// neither counts as a refusal or as silence of the registry.
func TestNotAsked(t *testing.T) {
	p := newPlace(t, true)
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	address := strings.TrimPrefix(other.URL, "https://")
	reference, err := ParseReference(address + "/a/b@" + p.image.Digest)
	if err != nil {
		t.Fatal(err)
	}
	image, _ := reference.Named()
	if _, err := bundles(t, image); reasonFor(err) != Untrusted {
		t.Error(err)
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", home)
	for _, config := range []string{`{"auths":`, `{"auths":{"` + p.image.repo.RegistryStr() + `":{"auth":"%"}}}`, `{"credsStore":"none-of-this-name"}`} {
		if err := os.WriteFile(filepath.Join(home, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		c := New(Options{Timeout: time.Minute})
		if _, err := c.Bundles(t.Context(), p.image); reasonFor(err) != Credentials {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func reasonFor(err error) Reason {
	u := new(RegistryError)
	errors.As(err, &u)
	return u.Reason
}

// TestRedirectsCarryNoCredentials checks that credentials are sent to the registry, and not to
// hosts that it redirects to.
func TestRedirectsCarryNoCredentials(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", filepath.Join(home, ".docker"))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("credentials went to another host")
		}
		fmt.Fprint(w, "good")
	}))
	defer elsewhere.Close()
	p := newPlace(t, true)
	p.attach(t, "good")
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user != "alice" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, elsewhere.URL+"/blob", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	if _, err := bundles(t, p.image); err == nil {
		t.Error("no request asked for credentials")
	}
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, p.host(), base64.StdEncoding.EncodeToString([]byte("alice:secret")))
	for _, file := range []string{".docker/config.json", ".config/containers/auth.json"} { // docker's and podman's
		path := filepath.Join(home, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"good"}) {
			t.Error(file, contents(found), err)
		}
		p.streams(t, digestOf([]byte("good")), "good")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// streams reads a blob in the way that copying does.
func (p *place) streams(t *testing.T, digest, want string) {
	t.Helper()
	d := Descriptor{Digest: digest, Size: int64(len(want))}
	content, err := New(Options{}).Repository(p.ref(t, ":v1")).Blob(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if raw, err := io.ReadAll(Verified(content, d)); err != nil || string(raw) != want {
		t.Errorf("%q, %v", raw, err)
	}
}

// TestRetryAfter checks that requests to a busy registry are repeated after the time that it
// states.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	p.attach(t, "one")
	busy, since := 2, time.Now()
	p.answer("nothing", nil)
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		if busy == 0 || !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		busy--
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	if found, err := bundles(t, p.image); err != nil || len(found) != 1 || time.Since(since) < 2*time.Second {
		t.Error(found, err, time.Since(since))
	}
	p.answer("/referrers/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, err := bundles(t, p.image)
	if u := new(RegistryError); !errors.As(err, &u) || u.Reason != Busy {
		t.Error(err)
	}
}

func TestTimesOut(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	done := make(chan struct{})
	defer close(done)
	for _, silent := range []string{"/referrers/", "/v2/"} { // the latter after it was asked by TLS
		p.answer(silent, func(http.ResponseWriter, *http.Request) { <-done })
		_, err := New(Options{Timeout: 100 * time.Millisecond}).Bundles(t.Context(), p.image)
		if u := new(RegistryError); !errors.As(err, &u) || u.Reason != TimedOut {
			t.Errorf("%s: %v", silent, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(Options{}).Bundles(ctx, p.image); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestPlainHTTP checks that plain HTTP is allowed only to loopback.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"http://127.0.0.1/": true, "http://[::1]:5000/": true, "http://localhost:5000/": true,
		"http://app.localhost:5000/": true, "http://127.8.9.1:5000/": true, "http://10.0.0.1/": false, "http://registry.local/": false, "http://localhost.example.com/": false, "http://127.0.0.1.example.com/": false,
	} {
		req, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		reached := false
		inner := roundTripper(func(*http.Request) (*http.Response, error) { reached = true; return nil, errors.New("no further") })
		_, _ = (&guarded{inner, false}).RoundTrip(req)
		if reached != want {
			t.Errorf("%s: %v", address, reached)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzManifest checks that untrusted manifests yield only the image's own bundle.
func FuzzManifest(f *testing.F) {
	image := Image{Digest: digestOf([]byte("image")), MediaType: typeManifest, Size: 5}
	raw, err := marshal(Attachment{Bundle: []byte("good"), PredicateType: "p"}.manifest(image))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"schemaVersion":2,"layers":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := bundleIn(raw, image.Digest)
		if err == nil && (d.Size <= 0 || d.Size > bundle.MaxSize || !strings.Contains(string(raw), "subject")) {
			t.Errorf("%+v", d)
		}
		for _, kind := range []string{typeManifest, TypeIndex} {
			c, err := ParseContents(Descriptor{MediaType: kind}, raw)
			if err == nil && (c.Config == nil) != (kind == TypeIndex) {
				t.Errorf("%s is %+v", kind, c)
			}
		}
		if _, err := parseIndex(raw); err == nil && !strings.Contains(string(raw), "schemaVersion") {
			t.Error("an index without schema")
		}
	})
}
