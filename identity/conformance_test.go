// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const conformance = "../../shared/conformance/bundle-verify"

// TestPublicCertificates reads the leaf of every bundle that must be accepted,
// and writes its identity back into the same bytes.
func TestPublicCertificates(t *testing.T) {
	bundles, err := filepath.Glob(filepath.Join(conformance, "*/bundle.sigstore.json"))
	if err != nil || len(bundles) == 0 {
		t.Skip("no conformance data at ", conformance)
	}
	read, builds := 0, 0
	for _, path := range bundles {
		if strings.HasSuffix(filepath.Dir(path), "_fail") {
			continue
		}
		if leaf := leafOf(t, path); leaf != nil {
			read++
			if id := roundTrip(t, path, leaf); id.Build.SourceRepositoryDigest != "" {
				builds++
			}
		}
	}
	if read < 10 || builds == 0 {
		t.Errorf("%d certificates were read, %d of builds", read, builds)
	}
}

// leafOf returns the leaf of a bundle, or nil if a bare key signed it.
func leafOf(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	type certificate struct{ RawBytes []byte }
	var bundle struct {
		VerificationMaterial struct {
			Certificate          *certificate
			X509CertificateChain struct{ Certificates []certificate }
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &bundle); err != nil {
		t.Fatal(err)
	}
	chain := bundle.VerificationMaterial.X509CertificateChain.Certificates
	if c := bundle.VerificationMaterial.Certificate; c != nil {
		chain = append(chain, *c)
	}
	if len(chain) == 0 {
		return nil
	}
	leaf, err := x509.ParseCertificate(chain[0].RawBytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func roundTrip(t *testing.T, path string, leaf *x509.Certificate) Identity {
	t.Helper()
	id, err := FromCertificate(leaf)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, ext := range extensionsOf(t, id) {
		original, err := extension(leaf, ext.Id)
		if err != nil || original == nil {
			if !ext.Id.Equal(fulcioOID(arcIssuer)) { // younger than some certificates
				t.Errorf("%s: extension %v is not in the certificate: %v", path, ext.Id, err)
			}
			continue
		}
		if string(original.Value) != string(ext.Value) {
			t.Errorf("%s: extension %v is %x, written as %x", path, ext.Id, original.Value, ext.Value)
		}
	}
	return id
}
