// SPDX-License-Identifier: Apache-2.0

package interop

import "testing"

var cosignBinary = build(".", "github.com/sigstore/cosign/v3/cmd/cosign")

func cosign(t *testing.T, args ...string) error {
	t.Helper()
	bin, err := cosignBinary()
	require(t, "cosign", err)
	return run(t, bin, args...)
}

func cosignSign(t *testing.T, r request) error {
	return cosign(t, "sign-blob", "--yes", "--trusted-root", r.trustedRoot, "--signing-config", r.signingConfig,
		"--identity-token", r.token, "--bundle", r.bundle, r.file)
}

func cosignAttest(t *testing.T, r request) error {
	return cosign(t, "attest-blob", "--yes", "--trusted-root", r.trustedRoot, "--signing-config", r.signingConfig,
		"--identity-token", r.token, "--bundle", r.bundle, "--type", r.predicateType, "--predicate", r.predicate, r.file)
}

func cosignVerify(t *testing.T, r request) error {
	verb := []string{"verify-blob"}
	if r.attestation {
		verb = []string{"verify-blob-attestation", "--type", r.predicateType}
	}
	return cosign(t, append(verb, "--trusted-root", r.trustedRoot, "--bundle", r.bundle,
		"--certificate-identity", r.identity, "--certificate-oidc-issuer", r.issuer, r.file)...)
}
