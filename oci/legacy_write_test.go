// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/wire/simplesigning"
)

// legacySignatures returns a signature in the older form. by distinguishes signers.
func legacySignatures(t *testing.T, image Image, by string) Legacy {
	t.Helper()
	payload, err := simplesigning.Payload{Reference: image.Repository, Digest: image.Sum()}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return Legacy{Detached: bundle.Detached{Signature: []byte(by), Certificate: []byte("certificate of " + by), Timestamp: []byte("time")}, Payload: payload}
}

// putTag puts a manifest under a tag.
func (p *place) putTag(t *testing.T, tag, content string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, p.URL+"/v2/a/b/manifests/"+tag, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", typeManifest)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
}

func (p *place) tag(t *testing.T, tag string) string {
	t.Helper()
	resp, err := http.Get(p.URL + "/v2/a/b/manifests/" + tag)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestLegacyRoundTrip checks that signatures in the older form are read as written, in order.
func TestLegacyRoundTrip(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	c := New(Options{})
	envelope := Legacy{Detached: bundle.Detached{Signature: []byte("{}"), Timestamp: []byte("time")}, PredicateType: "https://example.com/p", Signature: []byte("raw")}
	for _, l := range []Legacy{legacySignatures(t, p.image, "alice"), legacySignatures(t, p.image, "bob"), legacySignatures(t, p.image, "bob"), envelope} {
		if err := c.AttachLegacy(t.Context(), p.image, l); err != nil {
			t.Fatal(err)
		}
	}
	found, err := bundles(t, p.image)
	if err != nil || len(found) != 3 {
		t.Fatalf("%+v, %v", found, err)
	}
	for i, by := range []string{"alice", "bob"} {
		d := found[i].Detached
		if string(d.Signature) != by || string(d.Certificate) != "certificate of "+by || string(d.Timestamp) != "time" || len(d.LogEntry) > 0 {
			t.Errorf("%+v", d)
		}
		if payload, err := simplesigning.Parse(found[i].Payload); err != nil || string(payload.Digest) != string(p.image.Sum()) {
			t.Error(payload, err)
		}
	}
	if d := found[2].Detached; string(d.Signature) != "{}" || found[2].Payload != nil {
		t.Errorf("%+v", d)
	}
	for suffix, want := range map[string]string{
		".sig": `"dev.cosignproject.cosign/signature":"bob"`, ".att": `"predicateType":"https://example.com/p"`,
	} {
		if got := p.tag(t, p.image.fallbackTag()+suffix); !strings.Contains(got, want) {
			t.Errorf("%s: %s", suffix, got)
		}
	}
	if err := c.CheckLegacy(t.Context(), p.image); err != nil {
		t.Error(err)
	}
}

// TestLegacyOfOthers checks that other clients' members are kept, and that content other than
// a list of signatures is never overwritten.
func TestLegacyOfOthers(t *testing.T) {
	t.Parallel()
	layer := `{"mediaType":"` + typeSimpleSigning + `","size":3,"digest":"` + digestOf([]byte("abc")) + `","annotations":{"theirs":"1"},"urls":["https://example.com"]}`
	whole := `{"schemaVersion":2,"mediaType":"` + typeManifest + `","config":{"mediaType":"x/y","size":2,"digest":"` + digestOf([]byte("{}")) + `"},"layers":[` + layer + `],"annotations":{"also":"theirs"},"unknown":{"a":[1, 2]}}`
	for name, c := range map[string]struct {
		before string
		ok     bool
	}{
		"theirs":           {whole, true},
		"an index":         {strings.Replace(whole, "image.manifest", "image.index", 1), false},
		"schema 1":         {strings.Replace(whole, `"schemaVersion":2`, `"schemaVersion":1`, 1), false},
		"no layers":        {strings.Replace(whole, layer, "", 1), false},
		"an image":         {strings.Replace(whole, typeSimpleSigning, "application/vnd.oci.image.layer.v1.tar+gzip", 1), false},
		"no digest":        {strings.Replace(whole, "sha256:", "sha1:", -1), false},
		"a layer of 40 GB": {strings.Replace(whole, `"size":3`, `"size":42949672960`, 1), false},
		"a member twice":   {strings.Replace(whole, `"annotations":{"also"`, `"layers":[],"annotations":{"also"`, 1), false},
		"too many":         {strings.Replace(whole, layer, strings.Repeat(layer+",", maxBundles)+layer, 1), false},
	} {
		p := newPlace(t, true)
		tag := p.image.fallbackTag() + signatureSuffix
		p.putTag(t, tag, c.before)
		if err := New(Options{}).CheckLegacy(t.Context(), p.image); (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: checking: %v", name, err)
		}
		err := New(Options{}).AttachLegacy(t.Context(), p.image, legacySignatures(t, p.image, "alice"))
		after := p.tag(t, tag)
		switch {
		case !c.ok && (!errors.Is(err, ErrMalformed) || after != c.before):
			t.Errorf("%s: %v, and then it is %s", name, err, after)
		case c.ok && (err != nil || !strings.Contains(after, `"unknown":{"a":[1,2]}`) || !strings.Contains(after, `"also":"theirs"`) || !strings.Contains(after, layer) || strings.Count(after, typeSimpleSigning) != 2):
			t.Errorf("%s: %v, and then it is %s", name, err, after)
		}
	}
}

// TestManyLegacyWriters checks that concurrent writers lose nothing.
func TestManyLegacyWriters(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	people := []string{"alice", "bob", "carol", "dave"}
	var all sync.WaitGroup
	for _, by := range people {
		all.Go(func() {
			if err := New(Options{}).AttachLegacy(t.Context(), p.image, legacySignatures(t, p.image, by)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if found, err := bundles(t, p.image); err != nil || len(found) != len(people) {
		t.Errorf("%d of %d: %v", len(found), len(people), err)
	}
}

// FuzzLegacyList checks that content under the tag is refused, or can be written back with all
// layers.
func FuzzLegacyList(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"layers":[{"mediaType":"` + typeSimpleSigning + `","size":3,"digest":"` + digestOf([]byte("abc")) + `"}]}`))
	f.Add([]byte(`{"schemaVersion":2,"layers":[null]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := parseLegacyList(raw)
		if err != nil {
			return
		}
		if _, err := legacyConfig(list.layers); err != nil || len(list.layers) == 0 {
			t.Fatal(err)
		}
		if got := without(list.layers, []jsontext.Value{list.layers[0]}); len(got) >= len(list.layers) {
			t.Fatal("a layer is not like itself")
		}
	})
}
