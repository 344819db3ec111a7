// SPDX-License-Identifier: Apache-2.0

package tsa

import (
	"crypto"
	"crypto/elliptic"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// TestOpenSSL requests tokens with openssl(1), and verifies the responses with it.
func TestOpenSSL(t *testing.T) {
	openssl := testkit.OpenSSL(t)
	rsaKey := testkit.RSA(t, 2048)
	for name, key := range map[string]crypto.Signer{
		"P-256": testkit.P256(t), "P-384": testkit.Key(t, elliptic.P384()), "RSA": rsaKey,
	} {
		i := newInstance(t, key)
		dir := t.TempDir()
		run := func(args ...string) string {
			t.Helper()
			cmd := exec.Command(openssl, args...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%s: openssl %v: %v: %s", name, args, err, out)
			}
			return string(out)
		}
		write := func(file string, content []byte) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("data", []byte("hello"))
		write("root", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.options.Chain[1].Raw}))
		write("tsa", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.options.Chain[0].Raw}))
		run("verify", "-x509_strict", "-purpose", "timestampsign", "-no-CApath", "-CAfile", "root", "tsa")
		for _, ask := range [][]string{
			{"-sha256"}, {"-sha384"}, {"-sha512"}, {"-sha256", "-cert"}, {"-sha512", "-cert", "-no_nonce"},
			{"-sha384", "-cert", "-tspolicy", "1.3.6.1.4.1.57264.2"},
		} {
			run(append([]string{"ts", "-query", "-data", "data", "-out", "tsq"}, ask...)...)
			body, err := os.ReadFile(filepath.Join(dir, "tsq"))
			if err != nil {
				t.Fatal(err)
			}
			a := i.post(t, query, body)
			if a.status != http.StatusCreated {
				t.Fatalf("%s: %v: %d %q", name, ask, a.status, a.body)
			}
			write("tsr", a.body)
			for _, against := range []string{"-data=data", "-queryfile=tsq"} {
				option, file, _ := strings.Cut(against, "=")
				run("ts", "-verify", option, file, "-in", "tsr", "-CAfile", "root", "-untrusted", "tsa", "-x509_strict")
			}
			if text := run("ts", "-reply", "-in", "tsr", "-text"); !strings.Contains(text, "Policy OID: 1.3.6.1.4.1.57264.2") {
				t.Errorf("%s: %v: %s", name, ask, text)
			}
		}
		// openssl also reads refusals.
		write("tsr", i.post(t, query, []byte("no")).body)
		if text := run("ts", "-reply", "-in", "tsr", "-text"); !strings.Contains(text, "Status: Rejected.") || !strings.Contains(text, "the data submitted has the wrong format") {
			t.Errorf("%s: %s", name, text)
		}
	}
}
