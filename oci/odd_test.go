// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
)

// body returns a handler that responds with a text of a type.
func body(kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, text)
	}
}

const (
	loginPage  = "<!doctype html><html><body>Please log in</body></html>"
	noEntries  = `{"schemaVersion":2,"mediaType":"` + TypeIndex + `","manifests":[]}`
	nullEntry  = `{"schemaVersion":2,"mediaType":"` + TypeIndex + `","manifests":null}`
	schema1    = `{"schemaVersion":1,"name":"a/b","tag":"v1","fsLayers":[],"history":[],"signatures":[]}`
	digestName = "Docker-Content-Digest"
)

// TestOtherThanList checks that the list under the tag is read if a registry without referrers
// API responds with a web page (registry.k8s.io, Google's registries), the image itself
// (GitLab), or other JSON.
func TestOtherThanList(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(body("text/html", loginPage))
	defer elsewhere.Close()
	for what, how := range map[string]http.HandlerFunc{
		"page":              body("text/html; charset=utf-8", loginPage),
		"text":              body("text/plain", "404 page not found"),
		"other JSON":        body("application/json", `{"message":"not found"}`),
		"errors with 200":   body("application/json", `{"errors":[{"code":"UNSUPPORTED"}]}`),
		"nothing":           body("", ""),
		"docker's list":     body(typeDockerIndex, `{"schemaVersion":2,"mediaType":"`+typeDockerIndex+`","manifests":[]}`),
		"redirect to login": http.RedirectHandler(elsewhere.URL+"/login", http.StatusFound).ServeHTTP,
	} {
		p := newPlace(t, false)
		p.answer("/referrers/", how)
		if found, err := bundles(t, p.image); err != nil || len(found) != 0 {
			t.Errorf("%s: an unsigned image has %v, %v", what, contents(found), err)
		}
		p.attach(t, "one")
		if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"one"}) {
			t.Errorf("%s: %v, %v", what, contents(found), err)
		}
	}
}

// TestListTypes checks that a list is accepted with any Content-Type if its mediaType is
// right.
func TestListTypes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{TypeIndex, TypeIndex + "; charset=utf-8", strings.ToUpper(TypeIndex), "application/json", "application/json; charset=utf-8", "text/plain"} {
		p := newPlace(t, true)
		p.attach(t, "one")
		own := p.own(t)
		p.answer("/referrers/", func(w http.ResponseWriter, r *http.Request) {
			lists(own...)(contentType{w, kind}, r)
		})
		if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"one"}) {
			t.Errorf("%s: %v, %v", kind, contents(found), err)
		}
	}
}

// contentType responds with one media type, whatever the handler sets.
type contentType struct {
	http.ResponseWriter
	kind string
}

func (w contentType) Write(b []byte) (int, error) {
	w.Header().Set("Content-Type", w.kind)
	return w.ResponseWriter.Write(b)
}

// dashes makes a registry respond like GitLab's: the tag sha256-HEX, while there is none, is
// the manifest sha256:HEX, and there is no referrers API.
func (p *place) dashes() {
	written := map[string]bool{}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.before = func(_ http.ResponseWriter, r *http.Request) bool {
		head, hex, dashed := strings.Cut(r.URL.Path, "/manifests/sha256-")
		switch {
		case !dashed || len(hex) != 64:
		case r.Method == http.MethodPut:
			written[hex] = true
		case !written[hex]:
			r.URL.Path = head + "/manifests/sha256:" + hex
		}
		return false
	}
}

func TestTagIsTheImage(t *testing.T) {
	t.Parallel()
	for _, what := range []string{":v1", ":index"} {
		p := newPlace(t, false)
		if what == ":index" {
			p.pushIndex(t, "index")
		}
		p.image = p.resolve(t, what)
		p.dashes()
		if found, err := bundles(t, p.image); err != nil || len(found) != 0 {
			t.Errorf("%s: %v, %v", what, contents(found), err)
		}
		if all, err := New(Options{}).Attachments(t.Context(), p.image); err != nil || len(all) != 0 {
			t.Errorf("%s: %v, %v", what, all, err)
		}
		if err := New(Options{}).CheckAttach(t.Context(), p.image); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		p.attach(t, "one")
		p.attach(t, "two")
		if found, err := bundles(t, p.image); err != nil || !slices.Equal(contents(found), []string{"one", "two"}) {
			t.Errorf("%s: %v, %v", what, contents(found), err)
		}
		if all, err := New(Options{}).Attachments(t.Context(), p.image); err != nil || len(all) != 2 {
			t.Errorf("%s: %v, %v", what, all, err)
		}
	}
}

// TestNoSubjectHeader checks that the list under the tag is written for a registry that does
// not send OCI-Subject, even if its API responds with an empty list (Quay). It is not written
// for one that sends the header with the right image.
func TestNoSubjectHeader(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		list, subject string
		tagged        bool
	}{
		"empty list":    {noEntries, "", true},
		"null":          {nullEntry, "", true},
		"another image": {noEntries, digestOf([]byte("x")), true},
		"noted":         {noEntries, "own", false},
	} {
		p := newPlace(t, false)
		p.before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/referrers/") {
				body(TypeIndex, c.list)(w, r)
				return true
			}
			if r.Method == http.MethodPut && c.subject != "" {
				w.Header().Set("OCI-Subject", strings.Replace(c.subject, "own", p.image.Digest, 1))
			}
			return false
		}
		p.attach(t, "one")
		found, err := bundles(t, p.image)
		if tagged := slices.Equal(contents(found), []string{"one"}); err != nil || tagged != c.tagged {
			t.Errorf("%s: %v, %v", what, contents(found), err)
		}
	}
}

// TestNoManifest checks that content which is no manifest is not accepted as an image, so that
// no login page is signed.
func TestNoManifest(t *testing.T) {
	t.Parallel()
	image := `"schemaVersion":2,"config":{"mediaType":"` + typeConfig + `","size":2,"digest":"` + digestOf([]byte("{}")) + `"},"layers":[]`
	for what, c := range map[string]struct {
		kind, text, digest string
		want               Reason // empty: it is an image
	}{
		"page":                       {"text/html", loginPage, "", Garbled},
		"page that says otherwise":   {typeManifest, loginPage, "", Garbled},
		"other JSON":                 {"application/json", `{"message":"no"}`, "", Garbled},
		"nothing":                    {"", "", "", Garbled},
		"schema 1":                   {"application/vnd.docker.distribution.manifest.v1+prettyjws", schema1, "", Unsupported},
		"schema 1 as JSON":           {"application/json", schema1, "", Unsupported},
		"artifact of a draft":        {"application/vnd.oci.artifact.manifest.v1+json", `{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[]}`, "", Garbled},
		"manifest and index in one":  {typeManifest, "{" + image + `,"manifests":[]}`, "", Garbled},
		"twice":                      {typeManifest, "{" + image + `,"layers":[]}`, "", Garbled},
		"by SHA-512":                 {typeManifest, "{" + image + "}", "sha512:" + strings.Repeat("ab", 64), Unsupported},
		"another digest":             {typeManifest, "{" + image + "}", digestOf([]byte("x")), Garbled},
		"image":                      {typeManifest, "{" + image + "}", "", ""},
		"image as JSON":              {"application/json", "{" + image + "}", "", ""},
		"image with a charset":       {typeManifest + ";charset=UTF-8", "{" + image + "}", "", ""},
		"image as text":              {"text/plain", "{" + image + "}", "", ""},
		"index as JSON":              {"application/json", noEntries, "", ""},
		"index without its own type": {"application/octet-stream", `{"schemaVersion":2,"manifests":[]}`, "", ""},
	} {
		p := newPlace(t, true)
		p.answer("GET /v2/a/b/manifests/", func(w http.ResponseWriter, r *http.Request) {
			if c.digest != "" {
				w.Header().Set(digestName, c.digest)
			}
			body(c.kind, c.text)(w, r)
		})
		image, err := New(Options{}).Resolve(t.Context(), p.ref(t, ":v1"))
		if reasonFor(err) != c.want || c.want == "" && (err != nil || image.Digest != digestOf([]byte(c.text)) || !isIndex(image.MediaType) && image.MediaType != typeManifest) {
			t.Errorf("%s: %v, %v", what, image, err)
		}
		if errors.Is(err, ErrMalformed) {
			t.Errorf("%s: of an attachment is said: %v", what, err)
		}
	}
}

// TestCheckAttach checks that a registry which would refuse a bundle is found before there is
// one.
func TestCheckAttach(t *testing.T) {
	t.Parallel()
	refuses := func(code int, text string) func(*place) http.HandlerFunc {
		return func(*place) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(code)
				io.WriteString(w, text)
			}
		}
	}
	for what, c := range map[string]struct {
		fits string
		how  func(*place) http.HandlerFunc
		want Reason
		says string
	}{
		"no artifacts":   {"PUT /v2/a/b/manifests/", refuses(400, `{"errors":[{"code":"MANIFEST_INVALID","message":"unknown \u001b[31mtype","detail":{"x":1}}]}`), Refused, `"MANIFEST_INVALID": "unknown \x1b[31mtype" ("{\"x\":1}")`},
		"no words":       {"PUT /v2/a/b/manifests/", refuses(415, "<html>"), Refused, "415 Unsupported Media Type"},
		"read only":      {"POST ", refuses(403, `{"errors":[{"code":"DENIED","message":"pull only"}]}`), Denied, `"DENIED": "pull only"`},
		"quota":          {"POST ", refuses(413, `{"errors":[{"code":"SIZE_INVALID","message":"`+strings.Repeat("quota ", 200)+`"}]}`), Refused, `SIZE_INVALID`},
		"list is broken": {"/referrers/", refuses(500, ""), Unavailable, "500"},
		"tag is other's": {"/manifests/sha256-", func(p *place) http.HandlerFunc { return body(typeManifest, "{}") }, "", "the content of tag"},
		"tag is a page":  {"/manifests/sha256-", func(p *place) http.HandlerFunc { return body("text/html", loginPage) }, "", "the content of tag"},
	} {
		p := newPlace(t, false)
		p.answer(c.fits, c.how(p))
		err := New(Options{}).CheckAttach(t.Context(), p.image)
		if err == nil || reasonFor(err) != c.want || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 1200 {
			t.Errorf("%s: %v", what, err)
		}
	}
	p := newPlace(t, false)
	p.attach(t, "one")
	p.answer("PUT /v2/a/b/manifests/", func(http.ResponseWriter, *http.Request) { t.Error("it is tried where it is known") })
	if err := New(Options{}).CheckAttach(t.Context(), p.image); err != nil {
		t.Error(err)
	}
}

// TestNextPage uses links to the next page as registries and the proxies before them write
// them.
func TestNextPage(t *testing.T) {
	t.Parallel()
	const current = "https://registry.example.com/v2/a/b/referrers/sha256:00"
	for _, c := range []struct {
		links []string
		want  string // empty: no next page; error: refused
	}{
		{nil, ""},
		{[]string{`</v2/x?last=1>; rel="next"`}, "https://registry.example.com/v2/x?last=1"},
		{[]string{`<?last=1>;rel=next`}, current + "?last=1"},
		{[]string{`<./sha256:00?n=2>; REL="Next"`}, current + "?n=2"},
		{[]string{`</p>; rel="prev", </n>; title="a"; rel="last next"`}, "https://registry.example.com/n"},
		{[]string{`</p>; rel="first"`, `</n>; rel="next"`}, "https://registry.example.com/n"},
		{[]string{`</p>; rel="prev"`}, ""},
		{[]string{`<http://registry.example.com/n>; rel="next"`}, "https://registry.example.com/n"},
		{[]string{`<https://registry.example.com:443/n>; rel="next"`}, "https://registry.example.com/n"},
		{[]string{`<https://Registry.example.com/n>; rel="next"`}, "https://registry.example.com/n"},
		{[]string{`<https://registry.example.com:8443/n>; rel="next"`}, "error"},
		{[]string{`<https://example.com/n>; rel="next"`}, "error"},
		{[]string{`<//example.com/n>; rel="next"`}, "error"},
		{[]string{`next`}, "error"},
		{[]string{`<next`}, "error"},
	} {
		got, err := nextPage(current, http.Header{"Link": c.links})
		if (err != nil) != (c.want == "error") || err == nil && got != c.want {
			t.Errorf("%q: %q, %v", c.links, got, err)
		}
	}
}

// TestListsTheImage checks that the image itself in the list, or a repeated entry, does not
// count as an attachment.
func TestListsTheImage(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	p.attach(t, "one")
	own := p.own(t)[0]
	image := p.image.Descriptor()
	image.ArtifactType = bundle.MediaType
	for what, listed := range map[string][]Descriptor{"itself": {image, own}, "twice": {own, own}} {
		p.answer("/referrers/", lists(listed...))
		if found, err := bundles(t, p.image); err != nil || slices.Compact(contents(found))[0] != "one" || len(slices.Compact(contents(found))) != 1 {
			t.Errorf("%s: %v, %v", what, contents(found), err)
		}
		if all, err := New(Options{}).Attachments(t.Context(), p.image); err != nil || len(all) != 1 {
			t.Errorf("%s: %v, %v", what, all, err)
		}
	}
}

// TestPlainByName checks that registries with names and without TLS are reached if that is
// allowed, and that the error otherwise names the option. A proxy resolves the names.
func TestPlainByName(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	base := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, p.host())
	}}
	c := New(Options{PlainHTTPUnsafe: true, Transport: base})
	for _, c := range []*Client{c, New(Options{Transport: base})} {
		for _, host := range []string{"registry.internal:5000", "registry", "10.1.2.3:5000"} {
			reference, err := ParseReference(host + "/a/b:v1")
			if host == "registry" {
				reference, err = ParseReference("registry:80/a/b:v1")
			}
			if err != nil {
				t.Fatal(err)
			}
			image, err := c.Resolve(t.Context(), reference)
			if c.options.PlainHTTPUnsafe && (err != nil || image.Digest != p.image.Digest) {
				t.Errorf("%s: %v, %v", host, image, err)
			}
			if !c.options.PlainHTTPUnsafe && reasonFor(err) != NoTLS {
				t.Errorf("%s without the option: %v", host, err)
			}
		}
	}
}

// TestLocalhostElsewhere checks that a name below localhost that resolves to another machine
// is refused.
func TestLocalhostElsewhere(t *testing.T) {
	t.Parallel()
	elsewhere := func(context.Context, string, string) (net.Conn, error) {
		return remoteConn{}, nil
	}
	for address, want := range map[string]bool{"localhost:80": false, "a.localhost:80": false, "registry.example.com:80": true} {
		if _, err := dialLoopback(elsewhere)(t.Context(), "tcp", address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A remoteConn is a connection to another machine.
type remoteConn struct{ net.Conn }

func (remoteConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }
func (remoteConn) Close() error         { return nil }

// TestNoHead checks that GET is used for a registry without HEAD, and that a web page in place
// of a manifest does not show whether a tag exists.
func TestNoHead(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	p.legacy(t, signatureSuffix, Descriptor{MediaType: typeSimpleSigning}, "payload")
	p.answer("HEAD /v2/a/b/manifests/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) })
	if all, err := New(Options{}).Attachments(t.Context(), p.image); err != nil || len(all) != 1 {
		t.Error(all, err)
	}
	if all, err := New(Options{}).Removables(t.Context(), p.image); err != nil || len(all) != 1 || all[0].Blocked != "" {
		t.Errorf("%+v, %v", all, err)
	}
	p.answer(signatureSuffix, body("text/html", loginPage))
	if _, err := bundles(t, p.image); reasonFor(err) != Garbled {
		t.Error(err)
	}
	if _, err := New(Options{}).Attachments(t.Context(), p.image); reasonFor(err) != Garbled {
		t.Error(err)
	}
}
