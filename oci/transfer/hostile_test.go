// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

// missing checks that a report has exactly one missing item, and that nothing is published.
func missing(t *testing.T, what string, to *place, r *transfer.Report, want string) {
	t.Helper()
	if r.Complete || !strings.Contains(fmt.Sprint(r.Missing), want) || to.has(t, "c/d/manifests/v1") {
		t.Errorf("%s: %+v", what, r)
	}
}

// TestLyingBlobs checks that blobs with wrong size or digest are not written to the target.
func TestLyingBlobs(t *testing.T) {
	t.Parallel()
	const content = "what the layer has"
	for what, served := range map[string]string{
		"longer": content + "!", "shorter": content[1:], "empty": "", "another": strings.ToUpper(content),
	} {
		for _, says := range []bool{true, false} { // how much comes
			from, to := newPlace(t, true), newPlace(t, true)
			image := from.put(t, "v1", nil, content)
			from.answer("GET /v2/a/b/blobs/"+digestOf([]byte(content)), func(w http.ResponseWriter, _ *http.Request) {
				if !says {
					w.(http.Flusher).Flush()
				}
				_, _ = io.WriteString(w, served)
			})
			r := run(t, from, to, image)
			missing(t, what, to, r, digestOf([]byte(content)))
			if !strings.Contains(r.Missing[0].Why, "reading it from the source: ") {
				t.Errorf("%s: the target is blamed: %+v", what, r.Missing)
			}
			if to.has(t, "c/d/blobs/"+digestOf([]byte(content))) || to.has(t, "c/d/manifests/"+image.Digest) {
				t.Errorf("%s: it was put", what)
			}
		}
	}
}

// TestLyingDescriptors uses descriptors that are wrong, or refer to nothing.
func TestLyingDescriptors(t *testing.T) {
	t.Parallel()
	layer := oci.Descriptor{MediaType: typeLayer, Size: 5, Digest: digestOf([]byte("layer"))}
	for what, change := range map[string]func(*oci.Descriptor){
		"too long":          func(d *oci.Descriptor) { d.Size = 50 },
		"too short":         func(d *oci.Descriptor) { d.Size = 4 },
		"less than nothing": func(d *oci.Descriptor) { d.Size = -5 },
		"a path":            func(d *oci.Descriptor) { d.Digest = "sha256:../../../etc/passwd" },
		"another hash":      func(d *oci.Descriptor) { d.Digest = "sha512:" + strings.Repeat("ab", 64) },
		"not there":         func(d *oci.Descriptor) { d.Digest = digestOf([]byte("nothing")) },
	} {
		from, to := newPlace(t, true), newPlace(t, true)
		bad := layer
		change(&bad)
		image := from.put(t, "v1", func(m map[string]any) { m["layers"] = []oci.Descriptor{layer, bad} }, "layer")
		missing(t, what, to, run(t, from, to, image), bad.Digest)
	}
}

// TestHostileManifests uses indexes that contain themselves, and manifests that are too long
// or of another type than listed.
func TestHostileManifests(t *testing.T) {
	t.Parallel()
	self := oci.Descriptor{MediaType: oci.TypeIndex, Size: 300, Digest: digestOf([]byte("itself"))}
	for what, c := range map[string]struct {
		entry oci.Descriptor
		raw   []byte // whatever digest is asked for
		want  string
	}{
		"itself":     {self, indexOf(self), "its descriptor says 300"},
		"huge":       {oci.Descriptor{MediaType: oci.TypeIndex, Size: oci.MaxManifest + 1, Digest: self.Digest}, nil, "at most"},
		"endless":    {self, bytes.Repeat([]byte(" "), 1<<20), "more than"},
		"a manifest": {oci.Descriptor{MediaType: typeManifest, Digest: digestOf(indexOf(self)), Size: int64(len(indexOf(self)))}, indexOf(self), "but its mediaType is"},
		"escapes":    {oci.Descriptor{MediaType: "a\x1b[2Jb", Digest: digestOf([]byte("{}")), Size: 2}, []byte("{}"), `"a\x1b[2Jb" is neither`},
		"both":       both(),
	} {
		from, to := newPlace(t, true), newPlace(t, true)
		top := indexOf(c.entry)
		from.answer("GET /v2/a/b/manifests/sha256:", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, digestOf(top)) {
				_, _ = w.Write(top)
			} else {
				_, _ = w.Write(c.raw)
			}
		})
		missing(t, what, to, run(t, from, to, oci.Describe(top, "")), c.want)
	}
}

// both returns a manifest that is also an index (GHSA-77vh-xpmg-72qh).
func both() (c struct {
	entry oci.Descriptor
	raw   []byte
	want  string
}) {
	c.raw = []byte(`{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`)
	c.entry, c.want = oci.Descriptor{MediaType: typeManifest, Digest: digestOf(c.raw), Size: int64(len(c.raw))}, "forbidden"
	return c
}

// TestStray checks that a listed attachment of another image is reported and not copied, and
// does not prevent the copy.
func TestStray(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	stray := from.put(t, "", func(m map[string]any) {
		m["subject"] = oci.Descriptor{MediaType: typeManifest, Digest: digestOf([]byte("another")), Size: 7}
	}, "stray")
	from.answer("/referrers/", lists(stray))
	r := run(t, from, to, image)
	if !r.Complete || len(r.Strays) != 1 || r.Strays[0].What != stray.Digest || to.has(t, "c/d/manifests/"+stray.Digest) {
		t.Errorf("%+v", r)
	}
}

// TestUnseenReferrers checks that unreadable attachments are reported.
func TestUnseenReferrers(t *testing.T) {
	t.Parallel()
	gone := oci.Descriptor{MediaType: typeManifest, Size: 9, Digest: digestOf([]byte("gone"))}
	page := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "<"+r.URL.Path+"?n="+r.URL.Query().Get("n")+`1>; rel="next"`)
		lists()(w, r)
	}
	for what, how := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"broken":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"endless": page, "gone": lists(gone),
	} {
		from, to := newPlace(t, true), newPlace(t, true)
		image := from.put(t, "v1", nil, "layer")
		from.answer("/referrers/", how)
		missing(t, what, to, run(t, from, to, image), "sha256:")
	}
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	from.answer("/manifests/"+image.LegacyTags()[1], func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	missing(t, "a tag", to, run(t, from, to, image), image.LegacyTags()[1])
}

// TestTooMuch checks that an exceeded limit is reported before anything is sent.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	from, to := newPlace(t, true), newPlace(t, true)
	many := make([]oci.Descriptor, oci.MaxListed)
	for i := range many {
		many[i] = oci.Descriptor{MediaType: typeManifest, Size: 3, Digest: digestOf(strconv.AppendInt(nil, int64(i), 10))}
	}
	image := from.put(t, "v1", nil, "layer")
	from.answer("/referrers/"+image.Digest, func(w http.ResponseWriter, r *http.Request) {
		n := len(r.URL.Query().Get("n"))
		if n < 3 {
			w.Header().Set("Link", fmt.Sprintf(`<%s?n=%s>; rel="next"`, r.URL.Path, strings.Repeat("1", n+1)))
		}
		lists(many[n*5000:][:5000]...)(w, r)
	})
	_, err := transfer.Run(t.Context(), transfer.Job{From: from.repository(t, "a/b"), To: to.repository(t, "c/d"), Image: image, Tag: "v1"})
	if u := new(oci.RegistryError); !errors.As(err, &u) || u.Reason != oci.TooMuch || to.asked("c/d") > 0 {
		t.Error(err)
	}
}

// TestUploadElsewhere checks that nothing is sent to a registry that redirects an upload to
// another host.
func TestUploadElsewhere(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it went there") }))
	defer elsewhere.Close()
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	to.answer("POST /v2/c/d/blobs/uploads/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", elsewhere.URL+"/upload")
		w.WriteHeader(http.StatusAccepted)
	})
	missing(t, "elsewhere", to, run(t, from, to, image), "another host")
}

// TestForgetfulTarget checks that a target that accepts everything and stores nothing is
// noticed.
func TestForgetfulTarget(t *testing.T) {
	t.Parallel()
	for what, fits := range map[string]string{"a blob": "PUT /v2/c/d/blobs/", "the tag": "PUT /v2/c/d/manifests/v1"} {
		from, to := newPlace(t, true), newPlace(t, true)
		image := from.put(t, "v1", nil, "layer")
		to.answer(fits, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		})
		if r := run(t, from, to, image); r.Complete || len(r.Missing) == 0 {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

// TestSilence checks that a registry that stops in the middle of a blob times out, and that a
// slow one is given longer than the timeout.
func TestSilence(t *testing.T) {
	t.Parallel()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		r := trickle(t, func(ctx context.Context) { <-ctx.Done() })
		if r.Complete || !strings.Contains(fmt.Sprint(r.Missing), "took too long") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		if r := trickle(t, func(context.Context) { time.Sleep(patience / 7) }); !r.Complete {
			t.Errorf("%+v", r)
		}
	})
}

// patience is the timeout of a client that copies from a slow registry.
const patience = 2 * time.Second

// trickle copies an image from a registry that pauses after each byte of a blob of ten.
func trickle(t *testing.T, pause func(context.Context)) *transfer.Report {
	t.Helper()
	const content = "0123456789"
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, content)
	from.answer("GET /v2/a/b/blobs/"+digestOf([]byte(content)), func(w http.ResponseWriter, r *http.Request) {
		for i := range content {
			_, _ = io.WriteString(w, content[i:i+1])
			w.(http.Flusher).Flush()
			pause(r.Context())
		}
	})
	c := oci.New(oci.Options{Timeout: patience, Keychain: oci.Anonymous()})
	r, err := transfer.Run(t.Context(), transfer.Job{
		From: c.Repository(from.ref(t, "a/b:v1")), To: c.Repository(to.ref(t, "c/d:v1")), Image: image, Tag: "v1",
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A zeros is an endless stream of zero bytes.
type zeros struct{}

// Read fills p with zeros.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestMemory checks that an attachment of 256 MiB is streamed. It is not parallel, as it
// measures the allocations of the whole process.
func TestMemory(t *testing.T) {
	const size = 256 << 20
	sum := sha256.New()
	if _, err := io.CopyN(sum, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	big := oci.Descriptor{MediaType: typeLayer, Size: size, Digest: fmt.Sprintf("sha256:%x", sum.Sum(nil))}
	from, to := newPlace(t, true), newPlace(t, true)
	image := from.put(t, "v1", nil, "layer")
	from.put(t, "", func(m map[string]any) { m["subject"], m["layers"] = image, []oci.Descriptor{big} })
	from.attach(t, oci.Image(from.resolve(t, "a/b:v1")), "good")
	from.answer("GET /v2/a/b/blobs/"+big.Digest, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, zeros{}, size) })
	got := int64(0)
	to.answer("nothing", nil)
	to.before = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPut && r.URL.Query().Get("digest") == big.Digest:
			got, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		case r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, big.Digest) && got == size:
			w.WriteHeader(http.StatusOK)
		default:
			return false
		}
		return true
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := run(t, from, to, image)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; !r.Complete || got != size || used > 32<<20 {
		t.Errorf("%d bytes allocated for %d: %+v", used, got, r)
	}
	// verifying does not fetch the blob at all
	from.answer("/blobs/"+big.Digest, func(http.ResponseWriter, *http.Request) { t.Error("it was asked for") })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if found, err := client().Bundles(ctx, from.resolve(t, "a/b:v1")); err != nil || len(found) != 1 || string(found[0].Bundle) != "good" {
		t.Error(found, err)
	}
}
