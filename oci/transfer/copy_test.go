// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

// pushSigned puts an image with attachments: on the index, on a platform in a nested index, on
// another attachment, and under a tag of cosign 2.
func (p *place) pushSigned(t *testing.T) oci.Image {
	t.Helper()
	image := p.push(t)
	p.attach(t, image, "one")
	p.attach(t, image, "two")
	platforms, err := client().Platforms(t.Context(), image)
	if err != nil || len(platforms) != 4 {
		t.Fatal(platforms, err)
	}
	on := p.attach(t, platforms[3], "three")
	p.attach(t, on, "on three")
	p.put(t, platforms[0].Descriptor().LegacyTags()[0], nil, "legacy payload")
	return image
}

// TestCopy checks that everything is copied, whatever each side can list, and that the second
// copy sends nothing.
func TestCopy(t *testing.T) {
	t.Parallel()
	for _, can := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
		t.Run(fmt.Sprint(can), func(t *testing.T) {
			t.Parallel()
			from, to := newPlace(t, can[0]), newPlace(t, can[1])
			image := from.pushSigned(t)
			r := run(t, from, to, image.Descriptor())
			if !r.Complete || r.Platforms != 3 || r.Attachments != 5 || r.Manifests != 10 || r.Sent == 0 || r.Skipped != 0 {
				t.Fatalf("%v: %+v", can, r)
			}
			if got := to.resolve(t, "c/d:v1"); got.Digest != image.Digest {
				t.Errorf("%v: %s is tagged", can, got.Digest)
			}
			there, err := client().Bundles(t.Context(), to.resolve(t, "c/d:v1"))
			if err != nil || len(there) != 2 {
				t.Errorf("%v: %v, %v", can, there, err)
			}
			again := run(t, from, to, image.Descriptor())
			if !again.Complete || again.Sent != 0 || again.Skipped != r.Sent {
				t.Errorf("%v: again: %+v", can, again)
			}
		})
	}
}

// TestCopyKeepsOthers checks that other entries of a list under the fallback tag are kept.
func TestCopyKeepsOthers(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t, true), newPlace(t, false)
	image := from.push(t)
	run(t, from, to, image.Descriptor())
	from.attach(t, image, "ours")
	if _, err := client().Attach(t.Context(), to.resolve(t, "c/d:v1"), oci.Attachment{Bundle: []byte("theirs")}); err != nil {
		t.Fatal(err)
	}
	if r := run(t, from, to, image.Descriptor()); !r.Complete {
		t.Errorf("%+v", r)
	}
	if found, err := client().Bundles(t.Context(), to.resolve(t, "c/d:v1")); err != nil || len(found) != 2 {
		t.Error(found, err)
	}
}

// TestResume checks that an interrupted copy writes no tag and no manifest without its parts,
// and that the next copy continues.
func TestResume(t *testing.T) {
	t.Parallel()
	from := newPlace(t, true)
	image := from.pushSigned(t)
	for can, step := range map[bool]int64{true: 3, false: 11} {
		all := resume(t, from, image, can, math.MaxInt64)
		for at := int64(1); at <= all; at += step {
			t.Run(fmt.Sprintf("%t %d", can, at), func(t *testing.T) {
				t.Parallel()
				resume(t, from, image, can, at)
			})
		}
	}
}

// resume copies an image to a target that refuses all writes from one on, and then again to
// the same target, and returns the number of writes. can reports whether the target lists
// referrers.
func resume(t *testing.T, from *place, image oci.Image, can bool, at int64) int64 {
	t.Helper()
	to := newPlace(t, can)
	var writes atomic.Int64
	to.before = func(w http.ResponseWriter, r *http.Request) bool {
		fails := (r.Method == http.MethodPut || r.Method == http.MethodPost) && writes.Add(1) >= at
		if fails {
			w.WriteHeader(http.StatusForbidden)
		}
		return fails
	}
	r := run(t, from, to, image.Descriptor())
	to.answer("", nil)
	if r.Complete != (writes.Load() < at) {
		t.Errorf("write %d fails: %+v", at, r)
	}
	if r.Complete {
		return writes.Load()
	}
	if len(r.Missing) == 0 || to.has(t, "c/d/manifests/v1") {
		t.Errorf("write %d fails: %+v", at, r)
	}
	if again := run(t, from, to, image.Descriptor()); !again.Complete || again.Sent+r.Sent != again.Skipped+again.Sent {
		t.Errorf("write %d failed: %+v, then %+v", at, r, again)
	}
	return writes.Load()
}

// TestInterrupted checks that a canceled copy ends at once, without a report.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.pushSigned(t)
	ctx, cancel := context.WithCancel(t.Context())
	from.answer("GET /v2/a/b/blobs/", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	r, err := transfer.Run(ctx, transfer.Job{From: from.repository(t, "a/b"), To: to.repository(t, "c/d"), Image: image.Descriptor(), Tag: "v1"})
	if !errors.Is(err, context.Canceled) || r != nil || to.has(t, "c/d/manifests/v1") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestTriesAgain checks that a failure is retried once, and that a persistent one is reported.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	for _, times := range []int32{1, 100} {
		from, to := newPlace(t, true), newPlace(t, true)
		image := from.put(t, "v1", nil, "layer")
		var failed atomic.Int32
		to.answer("PUT /v2/c/d/blobs/", nil)
		to.before = func(w http.ResponseWriter, r *http.Request) bool {
			fails := r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/") && failed.Add(1) <= times
			if fails {
				w.WriteHeader(http.StatusInternalServerError)
			}
			return fails
		}
		r := run(t, from, to, image)
		if r.Complete != (times == 1) || r.Complete == strings.Contains(fmt.Sprint(r.Missing), "does not respond") {
			t.Errorf("%d times: %+v", times, r)
		}
	}
}

// TestTokensExpire checks that expired tokens are renewed during a copy.
func TestTokensExpire(t *testing.T) {
	t.Parallel()
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprintf("reads %t", reads), func(t *testing.T) {
			t.Parallel()
			from, to := newPlace(t, true), newPlace(t, false)
			image := from.pushSigned(t)
			from.expires(reads)
			to.expires(reads)
			if r := run(t, from, to, image.Descriptor()); !r.Complete {
				t.Errorf("%+v", r)
			}
		})
	}
}

// expires makes the registry reject the token on the first request for each path, before or
// after reading its body; for uploads of blobs once in total, as each attempt has a path of
// its own.
func (p *place) expires(reads bool) {
	p.answer("nothing", nil)
	asked := map[string]bool{}
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Connection", "close") // net/http repeats requests that fail on a reused connection
		if r.URL.Path == "/token" {
			_, _ = io.WriteString(w, `{"token":"token"}`)
			return true
		}
		what, _, _ := strings.Cut(r.Method+" "+r.URL.Path, "/uploads/")
		p.mutex.Lock()
		defer p.mutex.Unlock()
		if asked[what] && r.URL.Path != "/v2/" {
			return false
		}
		asked[what] = true
		if reads {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+p.URL+`/token",service="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
}

// TestMount checks that blobs are mounted within a registry that supports it.
func TestMount(t *testing.T) {
	t.Parallel()
	for status, sends := range map[int]bool{http.StatusCreated: false, http.StatusAccepted: true, http.StatusUnauthorized: true} {
		p := newPlace(t, true)
		image := p.put(t, "v1", nil, "layer")
		mounted := map[string]bool{}
		p.answer("nothing", nil)
		p.before = func(w http.ResponseWriter, r *http.Request) bool {
			p.mutex.Lock()
			defer p.mutex.Unlock()
			digest := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
			switch mount := r.URL.Query().Get("mount"); {
			case r.Method == http.MethodPost && mount != "":
				if r.URL.Query().Get("from") != "a/b" {
					t.Error(r.URL)
				}
				mounted[mount] = status == http.StatusCreated
				w.Header().Set("Location", "/v2/c/d/blobs/uploads/1")
				w.WriteHeader(status)
			case r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/c/d/blobs/") && !mounted[digest]:
				w.WriteHeader(http.StatusNotFound)
			case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/"):
				mounted[r.URL.Query().Get("digest")] = true
				return false
			default:
				return false
			}
			return true
		}
		from := p.repository(t, "a/b")
		r, err := transfer.Run(t.Context(), transfer.Job{From: from, To: p.repository(t, "c/d").WithMount(from), Image: image, Tag: "v1"})
		if err != nil || !r.Complete || (r.Sent > 0) != sends || sends != (p.asked("GET /v2/a/b/blobs/") > 0) {
			t.Errorf("%d: %+v, %v", status, r, err)
		}
	}
}

// TestLegacyTags checks that a tag of cosign 2 is replaced if no signature is lost.
func TestLegacyTags(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	tag := image.LegacyTags()[0]
	from.put(t, tag, nil, "one")
	if r := run(t, from, to, image); !r.Complete || r.Attachments != 1 {
		t.Fatalf("%+v", r)
	}
	both := from.put(t, tag, nil, "one", "two")
	if r := run(t, from, to, image); !r.Complete || to.resolve(t, "c/d:"+tag).Digest != both.Digest {
		t.Errorf("%+v", r)
	}
	from.put(t, tag, nil, "two")
	if r := run(t, from, to, image); !r.Complete || to.resolve(t, "c/d:"+tag).Digest != both.Digest {
		t.Errorf("%+v", r)
	}
	from.put(t, tag, nil, "three")
	r := run(t, from, to, image)
	if r.Complete || len(r.Missing) != 1 || r.Missing[0].What != tag || to.resolve(t, "c/d:"+tag).Digest != both.Digest {
		t.Errorf("%+v", r)
	}
}

// TestElsewhere checks that layers stored elsewhere are reported and not copied.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", func(m map[string]any) {
		m["layers"] = []oci.Descriptor{{
			MediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar", Digest: digestOf(nil), Size: 9, URLs: []string{"https://example.com/layer"},
		}}
	})
	r := run(t, from, to, image)
	want := []transfer.Note{{What: digestOf(nil), Why: "https://example.com/layer"}}
	if !r.Complete || !reflect.DeepEqual(r.Elsewhere, want) {
		t.Errorf("%+v", r)
	}
}
