// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

const conformance = "../../../shared/conformance/bundle-verify"

type conformanceBundle struct {
	VerificationMaterial struct {
		TimestampVerificationData struct {
			Timestamps []struct {
				SignedTimestamp []byte `json:"signedTimestamp"`
			} `json:"rfc3161Timestamps"`
		} `json:"timestampVerificationData"`
	} `json:"verificationMaterial"`
	MessageSignature struct {
		Signature []byte `json:"signature"`
	} `json:"messageSignature"`
}

// conformanceLeaf returns the certificate of the authority that signed the
// time-stamps of the rekor2 bundles.
func conformanceLeaf(t testing.TB) *x509.Certificate {
	t.Helper()
	token := conformanceTokens(t, "rekor2-timestamp-with-embedded-cert")[0].token
	if len(token.Certificates) != 1 {
		t.Fatalf("%d certificates", len(token.Certificates))
	}
	return token.Certificates[0]
}

type stamped struct {
	token   *Token
	message []byte
}

func conformanceTokens(t testing.TB, name string) []stamped {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(conformance, name, "bundle.sigstore.json"))
	if err != nil {
		t.Skip("the conformance suite is not there: ", err)
	}
	var b conformanceBundle
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil
	}
	var all []stamped
	for _, ts := range b.VerificationMaterial.TimestampVerificationData.Timestamps {
		token, err := ParseResponse(ts.SignedTimestamp)
		if err != nil {
			if !strings.HasSuffix(name, "_fail") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		all = append(all, stamped{token, b.MessageSignature.Signature})
	}
	return all
}

func TestConformance(t *testing.T) {
	leaf := conformanceLeaf(t)
	dirs, err := filepath.Glob(filepath.Join(conformance, "rekor2-*"))
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	for _, dir := range dirs {
		name := filepath.Base(dir)
		for _, s := range conformanceTokens(t, name) {
			if strings.HasSuffix(name, "_fail") || s.message == nil {
				continue
			}
			if err := s.token.VerifySignature(leaf); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := s.token.CheckImprint(s.message); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if s.token.CheckImprint([]byte("other")) == nil {
				t.Errorf("%s: imprint of another message", name)
			}
			verified++
		}
	}
	if verified < 3 {
		t.Errorf("%d tokens verified", verified)
	}
}

func TestConformanceMangled(t *testing.T) {
	leaf := conformanceLeaf(t)
	raw := conformanceTokens(t, "rekor2-timestamp-without-embedded-cert")[0].token.Raw
	for i := range raw {
		mangled := append([]byte(nil), raw...)
		mangled[i] ^= 0x04
		token, err := ParseToken(mangled)
		if err == nil && token.VerifySignature(leaf) == nil {
			t.Errorf("verified with byte %d flipped", i)
		}
	}
}

func FuzzParseResponse(f *testing.F) {
	rejection, err := MarshalRejection(BadAlg, "no")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rejection)
	for _, file := range testkit.Must(filepath.Glob("testdata/*.tsr"))(f) {
		f.Add(testkit.Must(os.ReadFile(file))(f))
	}
	f.Add([]byte{0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, der []byte) {
		token, err := ParseResponse(der)
		if err != nil {
			return
		}
		if _, err := ParseToken(token.Raw); err != nil {
			t.Fatal(err)
		}
	})
}
