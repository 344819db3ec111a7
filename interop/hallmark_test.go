// SPDX-License-Identifier: Apache-2.0

package interop

import "testing"

var hallmarkBinary = build("..", "./cmd/hallmark")

func hallmark(t *testing.T, args ...string) error {
	t.Helper()
	bin, err := hallmarkBinary()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, bin, args...)
}

func hallmarkSign(t *testing.T, r request) error {
	return hallmark(t, "sign", "--trusted-root", r.trustedRoot, "--signing-config", r.signingConfig,
		"--identity-token", r.token, "--bundle", r.bundle, r.file)
}

func hallmarkAttest(t *testing.T, r request) error {
	return hallmark(t, "sign-bundle", "--in-toto", "--trusted-root", r.trustedRoot, "--signing-config", r.signingConfig,
		"--identity-token", readTrimmed(t, r.token), "--bundle", r.bundle, r.statement)
}

func hallmarkVerify(t *testing.T, r request) error {
	return hallmark(t, "verify", "--trusted-root", r.trustedRoot, "--bundle", r.bundle,
		"--identity", r.identity, "--issuer", r.issuer, r.file)
}
