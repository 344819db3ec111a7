// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/oci"
)

const typeSignature = "application/vnd.dev.cosign.simplesigning.v1+json"

// Who signs at the target in the older form just when a copy writes the tag loses
// nothing, and neither does the copy.
func TestLegacyBesideSigner(t *testing.T) {
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	tag := image.LegacyTags()[0]
	from.put(t, tag, func(m map[string]any) { m["layers"].([]oci.Descriptor)[0].MediaType = typeSignature }, "signature of the source")
	var signer sync.WaitGroup
	var writes atomic.Int64
	to.mutex.Lock()
	to.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, tag) || writes.Add(1) > 1 {
			return false
		}
		signer.Go(func() {
			at, err := client().Resolve(t.Context(), to.ref(t, "c/d@"+image.Digest))
			if err == nil {
				err = client().AttachLegacy(t.Context(), at, oci.Legacy{Detached: bundle.Detached{Signature: []byte("by somebody")}, Payload: []byte("{}")})
			}
			if err != nil {
				t.Error(err)
			}
		})
		for begun := time.Now(); writes.Load() < 2 || !to.has(t, "c/d/manifests/"+tag); {
			if time.Sleep(time.Millisecond); time.Since(begun) > time.Minute {
				t.Error("nobody signs")
				break
			}
		}
		return false
	}
	to.mutex.Unlock()
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

// Ours is written again when somebody's who had seen nothing there came after it, and
// had no signature that we don't have.
func TestLegacyReplacedMeanwhile(t *testing.T) {
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

// What stands under the target's tag and is no list of signatures is somebody's.
func TestLegacyTagIsTaken(t *testing.T) {
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
		t.Error("it was replaced", now, err)
	}
}
