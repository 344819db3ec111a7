// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
)

const (
	suite = "../../shared/conformance"

	suiteIdentity = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/" +
		".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
	suiteIssuer = "https://token.actions.githubusercontent.com"
)

// A suiteCase is a case of the conformance suite, as run.py reads it.
type suiteCase struct {
	name     string
	raw      []byte
	artifact []byte
	root     []byte
	policy   verify.Requirements
	noPolicy error // why the key is invalid
}

func suiteCases(t testing.TB) []suiteCase {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(suite, "bundle-verify", "*", "bundle.sigstore.json"))
	if err != nil || len(dirs) == 0 {
		t.Skip("../shared/conformance is not here: the suite is not run")
	}
	var cases []suiteCase
	for _, path := range dirs {
		cases = append(cases, readCase(t, filepath.Dir(path)))
	}
	return cases
}

func readCase(t testing.TB, dir string) suiteCase {
	t.Helper()
	read := func(paths ...string) []byte {
		for _, path := range paths {
			if raw, err := os.ReadFile(path); err == nil {
				return raw
			}
		}
		return nil
	}
	text := func(name, standard string) string {
		if raw := read(filepath.Join(dir, name)); raw != nil {
			return strings.TrimSpace(string(raw))
		}
		return standard
	}
	c := suiteCase{
		name:     filepath.Base(dir),
		raw:      read(filepath.Join(dir, "bundle.sigstore.json")),
		artifact: read(filepath.Join(dir, "artifact"), filepath.Join(dir, "..", "a.txt")),
		root:     read(filepath.Join(dir, "trusted_root.json"), filepath.Join(suite, "public-good", "trusted_root.json")),
	}
	if key := read(filepath.Join(dir, "key.pub")); key != nil {
		c.policy.Keys, c.noPolicy = parseKey(key)
	} else {
		c.policy.Identities = []identity.Matcher{identity.NewMatcher(text("identity", suiteIdentity), text("issuer", suiteIssuer))}
	}
	return c
}

func parseKey(raw []byte) ([]crypto.PublicKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	return []crypto.PublicKey{key}, err
}

// byFile and byDigest return the artifact in the two forms of the suite.
func (c suiteCase) byFile() verify.Artifact { return verify.FromReader(bytes.NewReader(c.artifact)) }

func (c suiteCase) byDigest() verify.Artifact {
	sum := sha256.Sum256(c.artifact)
	return verify.FromDigest(crypto.SHA256, sum[:])
}

func (c suiteCase) verify(t testing.TB, artifact verify.Artifact) (*verify.Result, error) {
	t.Helper()
	root, err := trust.Parse(c.root)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	if c.noPolicy != nil {
		return nil, c.noPolicy
	}
	b, err := bundle.Parse(c.raw)
	if err != nil {
		return nil, err
	}
	v, err := verify.New(root)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	return v.Verify(b, artifact, c.policy)
}

func TestConformance(t *testing.T) {
	for _, c := range suiteCases(t) {
		t.Run(c.name, func(t *testing.T) {
			_, byFile := c.verify(t, c.byFile())
			_, byDigest := c.verify(t, c.byDigest())
			if bad := strings.HasSuffix(c.name, "_fail"); (byFile != nil) != bad || (byDigest != nil) != bad {
				t.Errorf("by file: %v\nby digest: %v", byFile, byDigest)
			}
			t.Log(byFile)
		})
	}
}

// TestConformanceReasons checks the codes of the refusals. The suite does not specify them, but
// a refusal for another reason would not test the intended check.
func TestConformanceReasons(t *testing.T) {
	want := map[string]verify.Code{
		"bundle-from-wrong-instance_fail":                       verify.OtherInstance,
		"checkpoint-wrong-roothash_fail":                        verify.CheckpointInvalid,
		"dsse-mismatch-sig_fail":                                verify.LogEntryMismatch,
		"incorrect-public-key_fail":                             verify.LogPromiseInvalid,
		"intoto-expired-certificate_fail":                       verify.CertificateExpired,
		"intoto-tsa-timestamp-outside-cert-validity_fail":       verify.CertificateExpired,
		"invalid-checkpoint-signature_fail":                     verify.CheckpointInvalid,
		"message-digest-mismatch_fail":                          verify.ArtifactMismatch,
		"rekor2-checkpoint-missing-origin_fail":                 verify.CheckpointInvalid,
		"rekor2-checkpoint-no-matching-signature_fail":          verify.CheckpointInvalid,
		"rekor2-dsse-mismatch-envelope_fail":                    verify.LogEntryMismatch,
		"rekor2-no-timestamp_fail":                              verify.TimestampMissing,
		"rekor2-timestamp-outside-trust-root-tsa-validity_fail": verify.TimestampUntrusted,
		"rekor2-timestamp-outside-tsa-cert-validity_fail":       verify.TimestampUntrusted,
		"rekor2-timestamp-with-incorrect-time_fail":             verify.CertificateExpired,
		"signature-mismatch_fail":                               verify.LogEntryMismatch,
		"wrong-hashedrekord-entry_fail":                         verify.LogEntryMismatch,
		"wrong-material_fail":                                   verify.ArtifactMismatch,
	}
	for _, c := range suiteCases(t) {
		code, ok := want[c.name]
		if !ok {
			continue
		}
		if c.name == "rekor2-timestamp-with-incorrect-time_fail" {
			c.raw = bytes.ReplaceAll(c.raw, []byte(`\n`), nil) // the token's base64 has line breaks
		}
		_, err := c.verify(t, c.byFile())
		var refusal *verify.Error
		if !errors.As(err, &refusal) || refusal.Code != code {
			t.Errorf("%s: got %v, want %s", c.name, err, code)
		}
	}
}
