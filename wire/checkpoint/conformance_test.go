// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

const conformance = "../../../shared/conformance"

// A trustedRoot is the part of trusted_root.json that these tests need.
type trustedRoot struct {
	Tlogs []struct {
		BaseURL   string `json:"baseUrl"`
		PublicKey struct {
			RawBytes []byte `json:"rawBytes"`
		} `json:"publicKey"`
		LogID struct {
			KeyID []byte `json:"keyId"`
		} `json:"logId"`
	} `json:"tlogs"`
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

// verifiers returns verifiers for the logs of the trusted root. It also checks
// that their log IDs are those of LogID.
func verifiers(t *testing.T, path string) []note.Verifier {
	t.Helper()
	var root trustedRoot
	readJSON(t, path, &root)
	var vs []note.Verifier
	for _, tlog := range root.Tlogs {
		key, err := x509.ParsePKIXPublicKey(tlog.PublicKey.RawBytes)
		if err != nil {
			t.Logf("%s: %v", tlog.BaseURL, err) // PKCS #1 RSA keys of test logs
			continue
		}
		base, err := url.Parse(tlog.BaseURL)
		if err != nil {
			t.Fatal(err)
		}
		v, err := NewVerifier(base.Host, key)
		if err != nil {
			t.Fatal(err)
		}
		id, err := LogID(base.Host, key)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(id, tlog.LogID.KeyID) {
			t.Errorf("%s: log ID %x, trusted root says %x", base.Host, id, tlog.LogID.KeyID)
		}
		vs = append(vs, v)
	}
	return vs
}

func TestOpenConformance(t *testing.T) {
	bundles, err := filepath.Glob(filepath.Join(conformance, "bundle-verify/*/bundle.sigstore.json"))
	if err != nil || len(bundles) == 0 {
		t.Skip("no conformance data at ", conformance)
	}
	opened := 0
	for _, path := range bundles {
		dir := filepath.Dir(path)
		if strings.HasSuffix(dir, "_fail") {
			continue
		}
		root := filepath.Join(dir, "trusted_root.json")
		if _, err := os.Stat(root); err != nil {
			root = filepath.Join(conformance, "public-good/trusted_root.json")
		}
		vs := verifiers(t, root)
		var bundle struct {
			VerificationMaterial struct {
				TlogEntries []struct {
					InclusionProof struct {
						Checkpoint struct{ Envelope string }
					}
				}
			}
		}
		readJSON(t, path, &bundle)
		for _, entry := range bundle.VerificationMaterial.TlogEntries {
			envelope := entry.InclusionProof.Checkpoint.Envelope
			if envelope == "" {
				continue
			}
			if _, _, err := Open([]byte(envelope), vs...); err != nil {
				t.Errorf("%s: %v\n%s", filepath.Base(dir), err, envelope)
			}
			opened++
		}
	}
	if opened < 10 {
		t.Errorf("only %d checkpoints seen", opened)
	}
}
