// SPDX-License-Identifier: Apache-2.0

package sct

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const conformance = "../../../shared/conformance"

type rawBytes struct {
	RawBytes []byte `json:"rawBytes"`
}

// A trustedRoot is the part of trusted_root.json that these tests need.
type trustedRoot struct {
	CertificateAuthorities []struct {
		CertChain struct {
			Certificates []rawBytes `json:"certificates"`
		} `json:"certChain"`
	} `json:"certificateAuthorities"`
	Ctlogs []struct {
		PublicKey rawBytes `json:"publicKey"`
	} `json:"ctlogs"`
}

type bundle struct {
	VerificationMaterial struct {
		Certificate rawBytes `json:"certificate"`
		Chain       struct {
			Certificates []rawBytes `json:"certificates"`
		} `json:"x509CertificateChain"`
	} `json:"verificationMaterial"`
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

func (b bundle) leaf(t *testing.T) *x509.Certificate {
	t.Helper()
	der := b.VerificationMaterial.Certificate.RawBytes
	if chain := b.VerificationMaterial.Chain.Certificates; len(chain) > 0 {
		der = chain[0].RawBytes
	}
	if der == nil {
		return nil // signed with a key
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (r trustedRoot) issuers(t *testing.T) []*x509.Certificate {
	t.Helper()
	var certs []*x509.Certificate
	for _, ca := range r.CertificateAuthorities {
		for _, raw := range ca.CertChain.Certificates {
			cert, err := x509.ParseCertificate(raw.RawBytes)
			if err != nil {
				t.Fatal(err)
			}
			certs = append(certs, cert)
		}
	}
	return certs
}

func (r trustedRoot) logKeys(t *testing.T) []crypto.PublicKey {
	t.Helper()
	var keys []crypto.PublicKey
	for _, ctlog := range r.Ctlogs {
		key, err := x509.ParsePKIXPublicKey(ctlog.PublicKey.RawBytes)
		if err != nil {
			t.Log(err) // RSA keys of test logs, in PKCS #1
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

func verifies(s SCT, leaf *x509.Certificate, issuers []*x509.Certificate, keys []crypto.PublicKey) bool {
	for _, issuer := range issuers {
		for _, key := range keys {
			if s.Verify(leaf, issuer, key) == nil {
				return true
			}
		}
	}
	return false
}

func TestConformance(t *testing.T) {
	bundles, err := filepath.Glob(filepath.Join(conformance, "bundle-verify/*/bundle.sigstore.json"))
	if err != nil || len(bundles) == 0 {
		t.Skip("no conformance data at ", conformance)
	}
	verified := 0
	for _, path := range bundles {
		dir := filepath.Dir(path)
		if strings.HasSuffix(dir, "_fail") {
			continue
		}
		root := filepath.Join(dir, "trusted_root.json")
		if _, err := os.Stat(root); err != nil {
			root = filepath.Join(conformance, "public-good/trusted_root.json")
		}
		var r trustedRoot
		readJSON(t, root, &r)
		var b bundle
		readJSON(t, path, &b)
		leaf := b.leaf(t)
		if leaf == nil {
			continue
		}
		scts, err := Embedded(leaf)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(dir), err)
		}
		for _, s := range scts {
			if !verifies(s, leaf, r.issuers(t), r.logKeys(t)) {
				t.Errorf("%s: no log key verifies the SCT", filepath.Base(dir))
			}
			verified++
		}
	}
	if verified < 10 {
		t.Errorf("only %d timestamps verified", verified)
	}
}
