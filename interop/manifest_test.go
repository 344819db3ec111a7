// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// cosignSubjects bounds the subjects of a statement that cosign and sigstore-go read.
const cosignSubjects = 1024

// TestManifests checks that all clients verify each file and image with hallmark's bundle of a
// manifest. cosign and sigstore-go do so only up to their limit.
func TestManifests(t *testing.T) {
	r := newRequest(t)
	i := registries()["ociregistry, with referrers"](t).push(t)
	for files, good := range map[int]bool{2: true, cosignSubjects - 1: true, cosignSubjects: false} { // and the image
		dir := t.TempDir()
		for n := range files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), fmt.Append(nil, n), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := r
		r.file, r.bundle, r.attestation, r.predicateType = filepath.Join(dir, "1"), filepath.Join(dir, "release.sigstore.json"), true, "https://sigstore.dev/cosign/sign/v1"
		i := i.push(t)
		if err := i.run(t, hallmarkBinary, "sign", "--manifest", "--bundle", r.bundle, "--trusted-root", r.trustedRoot,
			"--signing-config", r.signingConfig, "--identity-token", r.token, dir); err != nil {
			t.Fatal(err)
		}
		if err := hallmarkVerify(t, r); err != nil {
			t.Errorf("%d files: hallmark: %v", files, err)
		}
		for name, verify := range map[string]func() error{
			"sigstore-go": func() error { return sigstoreGoVerify(t, r) },
			"cosign":      func() error { return cosignVerify(t, r) },
			"cosign, the image": func() error {
				return i.run(t, cosignBinary, "verify", "--trusted-root", r.trustedRoot, "--certificate-identity", r.identity, "--certificate-oidc-issuer", r.issuer)
			},
		} {
			if err := verify(); (err == nil) != good {
				t.Errorf("%d files: %s: %v", files, name, err)
			}
		}
	}
}
