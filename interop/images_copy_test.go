// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// pushIndex puts an index of two platforms into the registry, and gives it and them.
func (i images) pushIndex(t *testing.T) []images {
	t.Helper()
	index, err := random.Index(100, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	tag, options := i.remote(t, "a/b:index")
	if err := remote.WriteIndex(tag, index, options...); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	all := []images{i, i, i}
	for n, one := range []string{digest.String(), m.Manifests[0].Digest.String(), m.Manifests[1].Digest.String()} {
		all[n].image = i.host + "/a/b@" + one
	}
	return all
}

// signed signs the index and its platforms with cosign, one of them and the index with
// hallmark, and another one with cosign in its older form.
func signed(t *testing.T, r request, i images) []images {
	t.Helper()
	all := i.pushIndex(t)
	hallmark, cosign := imageClients()[0], imageClients()[1]
	for _, one := range all {
		if err := cosign.sign(t, r, one); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range all[:2] {
		if err := hallmark.sign(t, r, one); err != nil {
			t.Fatal(err)
		}
	}
	if err := hallmark.attest(t, r, all[0]); err != nil {
		t.Fatal(err)
	}
	cosignKey(t, i)
	old := []string{"sign", "--key", filepath.Join(i.home, "cosign.key"), "--yes", "--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false"}
	if err := all[2].run(t, cosignBinary, old...); err != nil {
		t.Fatal(err)
	}
	return all
}

// between runs hallmark with what reaches both registries.
func between(t *testing.T, from, to images, args ...string) error {
	t.Helper()
	bin, err := hallmarkBinary()
	require(t, "hallmark", err)
	home := from.home
	if from.roots == "" {
		from.roots, home = to.roots, to.home
	}
	return runAt(t, home, bin, append(args, from.args()...)...)
}

// at returns the image in another repository.
func (i images) at(to images, repo string) images {
	_, digest, _ := strings.Cut(i.image, "@")
	to.image = to.host + "/" + repo + "@" + digest
	return to
}

// TestCopiedImages checks for each client that both clients verify its signatures in another
// registry, after they were copied, or saved and loaded, and that hallmark removes them.
func TestCopiedImages(t *testing.T) {
	r := newRequest(t)
	all := map[string]images{}
	for name, start := range registries() {
		all[name] = start(t)
	}
	for source, from := range all {
		signed := signed(t, r, from)
		dir := filepath.Join(t.TempDir(), "layout")
		if err := between(t, from, from, "save", from.host+"/a/b:index", dir); err != nil {
			t.Fatal(err)
		}
		readByOthers(t, dir, signed[0])
		for target, to := range all {
			t.Run(source+" to "+target, func(t *testing.T) {
				copied, loaded := "copied/from-"+fmt.Sprint(len(source)), "loaded/from-"+fmt.Sprint(len(source))
				if err := between(t, from, to, "copy", from.host+"/a/b:index", to.host+"/"+copied+":v1"); err != nil {
					t.Fatal(err)
				}
				if err := between(t, to, to, "load", dir, to.host+"/"+loaded+":v1"); err != nil {
					t.Fatal(err)
				}
				for _, repo := range []string{copied, loaded} {
					verifiedThere(t, r, from, to, signed, repo)
				}
				tag := to.host + "/" + loaded + ":v1"
				if err := between(t, to, to, "clean", tag, "--recursive", "--yes"); err != nil {
					t.Fatal(err)
				}
				for _, one := range signed {
					everyImageClient(t, "what was taken off", false, func(c imageClient) error { return c.verify(t, r, one.at(to, loaded)) })
				}
				if err := between(t, to, to, "tree", tag); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func verifiedThere(t *testing.T, r request, from, to images, signed []images, repo string) {
	t.Helper()
	for _, one := range signed {
		everyImageClient(t, repo, true, func(c imageClient) error { return c.verify(t, r, one.at(to, repo)) })
	}
	everyImageClient(t, repo+", attestation", true, func(c imageClient) error { return c.verifyAttestation(t, r, signed[0].at(to, repo)) })
	old := []string{"verify", "--key", filepath.Join(from.home, "cosign.pub"), "--insecure-ignore-tlog", "--use-signed-timestamps=false", "--new-bundle-format=false"}
	if err := signed[2].at(to, repo).run(t, cosignBinary, old...); err != nil {
		t.Errorf("%s: the older form: %v", repo, err)
	}
}

// readByOthers reads a saved layout with another implementation.
func readByOthers(t *testing.T, dir string, image images) {
	t.Helper()
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	tagged, bundles := 0, 0
	for _, d := range m.Manifests {
		if d.Annotations["org.opencontainers.image.ref.name"] == "index" && strings.HasSuffix(image.image, d.Digest.String()) {
			inner, err := index.ImageIndex(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			platforms, err := inner.IndexManifest()
			if err != nil || len(platforms.Manifests) != 2 {
				t.Error(platforms, err)
			}
			tagged++
		}
		if strings.HasPrefix(d.ArtifactType, "application/vnd.dev.sigstore.bundle") {
			bundles++
		}
	}
	if tagged != 1 || bundles != 6 {
		t.Errorf("%d tagged, %d bundles: %+v", tagged, bundles, m.Manifests)
	}
}

// TestKilled checks that a killed copy or save publishes nothing, and that the next one
// completes it.
func TestKilled(t *testing.T) {
	bin, err := hallmarkBinary()
	require(t, "hallmark", err)
	for _, how := range []os.Signal{syscall.SIGKILL, syscall.SIGINT} {
		var blobs atomic.Int32
		stuck, begun := make(chan struct{}), make(chan struct{}, 100)
		inner := ociserver.New(ocimem.New(), nil)
		source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") && blobs.Add(1) > 5 {
				begun <- struct{}{}
				select {
				case <-stuck:
				case <-r.Context().Done():
					return
				}
			}
			inner.ServeHTTP(w, r)
		}))
		defer source.Close()
		target := httptest.NewServer(ociserver.New(ocimem.New(), nil))
		defer target.Close()
		from := images{host: strings.TrimPrefix(source.URL, "http://"), home: t.TempDir()}
		to := images{host: strings.TrimPrefix(target.URL, "http://"), home: from.home}
		index, err := random.Index(1<<20, 5, 3)
		if err != nil {
			t.Fatal(err)
		}
		tag, options := from.remote(t, "a/b:v1")
		if err := remote.WriteIndex(tag, index, options...); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"copy", from.host + "/a/b:v1", to.host + "/c/d:v1"}, {"save", from.host + "/a/b:v1", filepath.Join(from.home, "layout")}} {
			blobs.Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			cmd := exec.CommandContext(ctx, bin, args...)
			cmd.Env = []string{"HOME=" + from.home}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-begun
			if err := cmd.Process.Signal(how); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Errorf("%v: it went on", how)
			}
			cancel()
			if err := between(t, to, to, "tree", to.host+"/c/d:v1"); err == nil && args[0] == "copy" {
				t.Errorf("%v: half a copy has a tag", how)
			}
			if _, err := os.Stat(filepath.Join(from.home, "layout", "index.json")); err == nil {
				t.Errorf("%v: half an image is listed", how)
			}
		}
		close(stuck)
		for _, args := range [][]string{{"copy", from.host + "/a/b:v1", to.host + "/c/d:v1"}, {"save", from.host + "/a/b:v1", "layout"}} {
			if err := between(t, from, to, args...); err != nil {
				t.Errorf("%v: %v", how, err)
			}
		}
	}
}
