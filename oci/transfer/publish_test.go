// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/oci"
)

const typeSignature = "application/vnd.dev.cosign.simplesigning.v1+json"

// TestLegacyBesideSigner checks that neither a client that signs in the older form during a
// copy nor the copy loses a signature, whether the client writes the tag before the copy reads
// it again, or only before the copy checks the target.
func TestLegacyBesideSigner(t *testing.T) {
	t.Parallel()
	t.Run("before the tag is read again", func(t *testing.T) { legacyBesideSigner(t, false) })
	t.Run("before the target is checked", func(t *testing.T) { legacyBesideSigner(t, true) })
}

func legacyBesideSigner(t *testing.T, late bool) {
	t.Parallel()
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	tag := image.LegacyTags()[0]
	from.put(t, tag, func(m map[string]any) { m["layers"].([]oci.Descriptor)[0].MediaType = typeSignature }, "signature of the source")
	door := &place{Server: httptest.NewServer(to.Config.Handler)} // where the client that signs comes in
	t.Cleanup(door.Close)
	var signer sync.WaitGroup
	sign := func() {
		at, err := client().Resolve(t.Context(), door.ref(t, "c/d@"+image.Digest))
		if err == nil {
			err = client().AttachLegacy(t.Context(), at, oci.Legacy{Detached: bundle.Detached{Signature: []byte("by somebody")}, Payload: []byte("{}")})
		}
		if err != nil {
			t.Error(err)
		}
	}
	to.before = order(t, to, door, tag, late, func() { signer.Go(sign) }, signer.Wait)
	r := run(t, from, to, image)
	signer.Wait()
	d, _, err := to.repository(t, "c/d").Tagged(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := to.repository(t, "c/d").Manifest(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := oci.ParseContents(d, raw); err != nil || len(c.Layers) != 2 || !r.Complete {
		t.Errorf("%v of both signatures: %s; %+v", err, raw, r)
	}
}

// order orders the writes of the tag: first the signing client's, just before the copy writes,
// then the copy's, then the client's second one. The copy continues when the client has
// signed: it reads the tag again or, if late, publishes.
func order(t *testing.T, to, door *place, tag string, late bool, sign, signed func()) func(http.ResponseWriter, *http.Request) bool {
	t.Helper()
	wrote, overwritten, publishing := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var ofSigner, ofCopy atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) bool {
		copies := "http://"+r.Host != door.URL
		switch what := r.Method + " " + r.URL.Path; {
		case copies && what == "PUT /v2/c/d/manifests/v1" && late:
			close(publishing)
			signed()
		case !strings.HasSuffix(what, "/manifests/"+tag):
		case copies && r.Method == http.MethodPut && ofCopy.Add(1) == 1:
			sign()
			<-wrote
			to.inner.ServeHTTP(w, r)
			close(overwritten)
			return true
		case copies && r.Method != http.MethodPut && ofCopy.Load() > 0 && !late:
			signed()
		case !copies && r.Method == http.MethodPut && ofSigner.Add(1) == 1:
			to.inner.ServeHTTP(w, r)
			close(wrote)
			return true
		case !copies && r.Method == http.MethodPut && late:
			<-publishing
		case !copies && r.Method != http.MethodPut && ofSigner.Load() > 0:
			<-overwritten
		}
		return false
	}
}

// TestLegacyReplacedMeanwhile checks that the copy writes its manifest again if another
// client, which had not seen it, replaced it without adding a signature.
func TestLegacyReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	tag := image.LegacyTags()[0]
	want := from.put(t, tag, nil, "first", "second")
	var writes atomic.Int64
	to.answer("PUT /v2/c/d/manifests/"+tag, func(w http.ResponseWriter, r *http.Request) {
		if writes.Add(1) == 1 { // overwritten in the same moment: as if it had not been
			w.WriteHeader(http.StatusCreated)
			return
		}
		to.answer("nothing", nil)
		to.Config.Handler.ServeHTTP(w, r)
	})
	r := run(t, from, to, image)
	if d, _, err := to.repository(t, "c/d").Tagged(t.Context(), tag); err != nil || d.Digest != want.Digest || !r.Complete {
		t.Errorf("%v, %v, %+v", d, err, r)
	}
}

// TestLegacyTagIsTaken checks that content other than a list of signatures under the target's
// tag is not replaced.
func TestLegacyTagIsTaken(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	tag := image.LegacyTags()[1]
	from.put(t, tag, nil, "attestation of the source")
	raw := indexOf()
	d := oci.Describe(raw, oci.TypeIndex)
	if err := to.repository(t, "c/d").Publish(t.Context(), tag, d, raw); err != nil {
		t.Fatal(err)
	}
	missing(t, "an index", to, run(t, from, to, image), tag)
	if now, _, err := to.repository(t, "c/d").Tagged(t.Context(), tag); err != nil || now.Digest != d.Digest {
		t.Error("the tag was replaced", now, err)
	}
}
