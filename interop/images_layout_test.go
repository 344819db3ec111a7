package interop

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestLayouts: what cosign saves hallmark loads with every signature, and cosign loads
// what hallmark saves, and verifies it where it lies.
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
			loaded := i
			loaded.image = i.host + "/loaded/ours:v1"
			if err := loaded.run(t, cosignBinary, "load", "--dir", ours); err != nil {
				t.Error(err)
			}
			for _, repo := range []string{"loaded/theirs", "loaded/ours"} {
				everyImageClient(t, repo, true, func(c imageClient) error { return c.verify(t, r, i.at(i, repo)) })
				everyImageClient(t, repo+", attestation", true, func(c imageClient) error { return c.verifyAttestation(t, r, i.at(i, repo)) })
				if n := i.at(i, repo).attached(t); n != 3 {
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

// attached is how many attachments hallmark sees on the image.
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
