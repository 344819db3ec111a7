// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
)

func openssl(t *testing.T, args ...string) error {
	t.Helper()
	bin, err := exec.LookPath("openssl")
	require(t, "openssl", err)
	return run(t, bin, args...)
}

// TestOpensslCertificates checks a signing certificate and a timestamping certificate, up to the
// roots that hallmark exports, with openssl in its strictest mode.
func TestOpensslCertificates(t *testing.T) {
	r := newRequest(t)
	if err := sigstoreGoSign(t, r); err != nil {
		t.Fatal(err)
	}
	signed, err := bundle.LoadJSONFromPath(r.bundle)
	if err != nil {
		t.Fatal(err)
	}
	ca, tsa := authorities(t, r)
	leaf := pemFile(t, "leaf.pem", signed.GetVerificationMaterial().GetCertificate().GetRawBytes())
	for _, c := range []struct{ name, leaf, chain, root, purpose string }{
		{"signing", leaf, pemFile(t, "chain.pem", raw(ca.Intermediates)...), pemFile(t, "root.pem", ca.Root.Raw), "any"},
		{"timestamping", pemFile(t, "tsa.pem", tsa.Leaf.Raw), pemFile(t, "tsachain.pem", raw(tsa.Intermediates)...), pemFile(t, "tsaroot.pem", tsa.Root.Raw), "timestampsign"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"verify", "-x509_strict", "-check_ss_sig", "-purpose", c.purpose, "-CAfile", c.root}
			if len(read(t, c.chain)) > 0 {
				args = append(args, "-untrusted", c.chain)
			}
			if err := openssl(t, append(args, c.leaf)...); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOpensslTimestamps checks that openssl verifies hallmark's response to its request, and
// that the timestamp in a bundle is over the bundle's signature.
func TestOpensslTimestamps(t *testing.T) {
	r := newRequest(t)
	_, tsa := authorities(t, r)
	for _, hash := range []string{"sha256", "sha384", "sha512"} {
		t.Run(hash, func(t *testing.T) {
			query := filepath.Join(t.TempDir(), "query.tsq")
			if err := openssl(t, "ts", "-query", "-data", r.file, "-"+hash, "-cert", "-out", query); err != nil {
				t.Fatal(err)
			}
			reply := write(t, "reply.tsr", post(t, r.url+"/api/v1/timestamp", "application/timestamp-query", read(t, query)))
			if err := openssl(t, append(verifyTimestamp(t, tsa, reply), "-queryfile", query)...); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("of a bundle", func(t *testing.T) {
		if err := sigstoreGoSign(t, r); err != nil {
			t.Fatal(err)
		}
		signed, err := bundle.LoadJSONFromPath(r.bundle)
		if err != nil {
			t.Fatal(err)
		}
		reply := write(t, "reply.tsr", signed.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps()[0].GetSignedTimestamp())
		signature := write(t, "signature", signed.GetMessageSignature().GetSignature())
		if err := openssl(t, append(verifyTimestamp(t, tsa, reply), "-data", signature)...); err != nil {
			t.Error(err)
		}
		if err := openssl(t, append(verifyTimestamp(t, tsa, reply), "-data", r.file)...); err == nil {
			t.Error("accepted for another file")
		}
	})
}

func verifyTimestamp(t *testing.T, tsa *root.SigstoreTimestampingAuthority, reply string) []string {
	t.Helper()
	others := append([]*x509.Certificate{tsa.Leaf}, tsa.Intermediates...)
	return []string{"ts", "-verify", "-in", reply, "-CAfile", pemFile(t, "root.pem", tsa.Root.Raw), "-untrusted", pemFile(t, "chain.pem", raw(others)...)}
}

func authorities(t *testing.T, r request) (*root.FulcioCertificateAuthority, *root.SigstoreTimestampingAuthority) {
	t.Helper()
	trusted, err := root.NewTrustedRootFromPath(r.trustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	return trusted.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority),
		trusted.TimestampingAuthorities()[0].(*root.SigstoreTimestampingAuthority)
}

func raw(certificates []*x509.Certificate) [][]byte {
	var all [][]byte
	for _, c := range certificates {
		all = append(all, c.Raw)
	}
	return all
}

func pemFile(t *testing.T, name string, certificates ...[]byte) string {
	t.Helper()
	var text []byte
	for _, der := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return write(t, name, text)
}

func post(t *testing.T, url, contentType string, body []byte) []byte {
	t.Helper()
	resp, err := http.Post(url, contentType, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("posting to %s: %s: %s: %v", url, resp.Status, answer, err)
	}
	return answer
}
