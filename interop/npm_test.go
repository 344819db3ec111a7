// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// npmClient returns a client of a major version of the npm sigstore package, by its name in
// npm/package.json.
func npmClient(name string, readsAttestations bool) client {
	drive := func(t *testing.T, verb string, args ...string) error {
		t.Helper()
		script, err := npmScript(name)
		require(t, "npm "+name, err)
		return run(t, "node", append([]string{script, name, verb}, args...)...)
	}
	return client{
		name: "npm " + name,
		signBlob: func(t *testing.T, r request) error {
			return drive(t, "sign", r.signingConfig, r.token, r.file, r.bundle)
		},
		signStatement: func(t *testing.T, r request) error {
			return drive(t, "attest", r.signingConfig, r.token, r.statement, r.bundle)
		},
		verify: func(t *testing.T, r request) error {
			return drive(t, "verify", r.trustedRoot, r.bundle, r.file, r.identity, r.issuer)
		},
		readsAttestations: readsAttestations,
	}
}

func npmScript(name string) (string, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return "", err
	}
	dir, err := filepath.Abs("npm")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", name)); errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("not installed: run npm ci in %s", dir)
	}
	return filepath.Join(dir, "client.cjs"), nil
}
