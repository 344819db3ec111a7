// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// TestLayouts checks that hallmark loads layouts of cosign with every signature, and that cosign
// loads layouts of hallmark and verifies them in place.
func TestLayouts(t *testing.T) {
	r := newRequest(t)
	for name, start := range registries() {
		t.Run(name, func(t *testing.T) {
			i := start(t).push(t)
			hallmark, cosign := imageClients()[0], imageClients()[1]
			for _, c := range []imageClient{hallmark, cosign} {
				if err := c.sign(t, r, i); err != nil {
					t.Fatal(err)
				}
			}
			if err := hallmark.attest(t, r, i); err != nil {
				t.Fatal(err)
			}
			theirs, ours := filepath.Join(i.home, "theirs"), filepath.Join(i.home, "ours")
			if err := i.run(t, cosignBinary, "save", "--dir", theirs); err != nil {
				t.Fatal(err)
			}
			if err := between(t, i, i, "save", i.image, ours); err != nil {
				t.Fatal(err)
			}
			if err := between(t, i, i, "load", theirs, i.host+"/loaded/theirs:v1"); err != nil {
				t.Fatal(err)
			}
			lax := laxRegistry(t, i.home)
			loaded := lax
			loaded.image = lax.host + "/loaded/ours:v1"
			if err := loaded.run(t, cosignBinary, "load", "--dir", ours); err != nil {
				t.Error(err)
			}
			for repo, image := range map[string]images{"theirs": i.at(i, "loaded/theirs"), "ours": i.at(lax, "loaded/ours")} {
				everyImageClient(t, repo, true, func(c imageClient) error { return c.verify(t, r, image) })
				everyImageClient(t, repo+", attestation", true, func(c imageClient) error { return c.verifyAttestation(t, r, image) })
				if n := image.attached(t); n != 3 {
					t.Errorf("%s: %d bundles are attached, want 3", repo, n)
				}
			}
			for _, dir := range []string{ours, theirs} {
				local := i
				local.image = dir
				args := []string{"--local-image", "--trusted-root", r.trustedRoot, "--certificate-identity", r.identity, "--certificate-oidc-issuer", r.issuer}
				if err := local.run(t, cosignBinary, append([]string{"verify"}, args...)...); err != nil {
					t.Errorf("%s: %v", dir, err)
				}
			}
		})
	}
}

// laxRegistry takes manifests before their blobs, as cosign 3.1.3 loads them. It fails at
// the others, also with what it has saved itself.
func laxRegistry(t *testing.T, home string) images {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return images{host: strings.TrimPrefix(server.URL, "http://"), home: home}
}

// attached returns the number of attachments that hallmark finds on the image.
func (i images) attached(t *testing.T) int {
	t.Helper()
	bin, err := hallmarkBinary()
	require(t, "hallmark", err)
	cmd := exec.Command(bin, append([]string{"tree", "--json", i.image}, i.args()...)...)
	cmd.Env = []string{"HOME=" + i.home}
	out, err := cmd.Output()
	var tree struct {
		Attached []struct{} `json:"attached"`
	}
	if err == nil {
		err = json.Unmarshal(out, &tree)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return len(tree.Attached)
}
