// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

// A legacy is a signature of the public instance in the files of cosign 1 and 2, with the
// material to verify it.
type legacy struct {
	signature, certificate, entry, file []byte
	root                                *trust.Root
	cert                                *x509.Certificate
}

func newLegacy(t *testing.T) legacy {
	t.Helper()
	raw, err := os.ReadFile(suiteDir + "/bundle-verify/happy-path-v0.1/bundle.sigstore.json")
	if err != nil {
		t.Skip("../shared/conformance is not here: cosign's old files are not compared")
	}
	b, err := bundle.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	l := legacy{
		signature:   []byte(base64.StdEncoding.EncodeToString(b.Signature())),
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Certificates[0]}),
		file:        read(t, suiteDir+"/bundle-verify/a.txt"),
		entry:       keptEntry(t, b.Entries[0]),
	}
	if l.cert, err = x509.ParseCertificate(b.Certificates[0]); err != nil {
		t.Fatal(err)
	}
	if l.root, err = trust.Parse(read(t, suiteDir+"/public-good/trusted_root.json")); err != nil {
		t.Fatal(err)
	}
	return l
}

func keptEntry(t *testing.T, e rekor.Entry) []byte {
	t.Helper()
	return encodeJSON(t, map[string]any{
		"SignedEntryTimestamp": e.SignedEntryTimestamp,
		"Payload": map[string]any{
			"body": e.CanonicalizedBody, "integratedTime": e.IntegratedTime.Unix(), "logIndex": e.LogIndex, "logID": hex.EncodeToString(e.LogID),
		},
	})
}

func encodeJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// oneFile returns cosign's single-file bundle, with the certificate as base64 of PEM.
func (l legacy) oneFile(t *testing.T) []byte {
	return encodeJSON(t, map[string]any{
		"base64Signature": string(l.signature), "cert": l.certificate, "rekorBundle": json.RawMessage(l.entry),
	})
}

// trusted returns environment variables with the public instance's keys, so that cosign sends no
// requests.
func (l legacy) trusted(t *testing.T) []string {
	t.Helper()
	var roots []byte
	for _, ca := range l.root.CertificateAuthorities {
		for _, cert := range ca.Chain {
			roots = append(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
		}
	}
	stamps, err := sct.Embedded(l.cert)
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"SIGSTORE_ROOT_FILE=" + write(t, "roots.pem", roots),
		"SIGSTORE_REKOR_PUBLIC_KEY=" + write(t, "rekor.pem", logKey(t, l.root.Logs, l.entryLog(t))),
		"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE=" + write(t, "ct.pem", logKey(t, l.root.CTLogs, stamps[0].LogID[:])),
	}
}

func (l legacy) entryLog(t *testing.T) []byte {
	t.Helper()
	e, err := rekor.ParseEntryV1(l.entry)
	if err != nil {
		t.Fatal(err)
	}
	return e.LogID
}

func logKey(t *testing.T, logs []trust.Log, id []byte) []byte {
	t.Helper()
	for _, log := range logs {
		if string(log.ID) == string(id) {
			der, err := x509.MarshalPKIXPublicKey(log.Key)
			if err != nil {
				t.Fatal(err)
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		}
	}
	t.Fatalf("the trusted root does not know log %x", id)
	return nil
}

// cosignOld verifies cosign's old files with cosign, without network.
func cosignOld(t *testing.T, l legacy, files ...string) error {
	t.Helper()
	bin, err := cosignBinary()
	require(t, "cosign", err)
	args := append([]string{"verify-blob", "--new-bundle-format=false", "--offline", "--rekor-url=",
		"--certificate-identity", suiteIdentity, "--certificate-oidc-issuer", suiteIssuer}, files...)
	cmd := exec.CommandContext(t.Context(), bin, append(args, write(t, "artifact", l.file))...)
	home := t.TempDir()
	cmd.Env = append(l.trusted(t), "HOME="+home, "TUF_ROOT="+home, "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.New(string(out))
	}
	return nil
}

// hallmarkOld verifies a bundle as read.
func hallmarkOld(t *testing.T, l legacy, b *bundle.Bundle, err error) error {
	t.Helper()
	if err != nil {
		return err
	}
	verifier, err := verify.New(l.root)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(l.file)
	_, err = verifier.Verify(b, verify.FromDigest(crypto.SHA256, sum[:]), verify.Requirements{Identities: []identity.Matcher{identity.NewMatcher(suiteIdentity, suiteIssuer)}})
	return err
}

// TestLegacy checks that cosign and hallmark have the same verdicts on cosign's files, in the
// single-file form and in separate files.
func TestLegacy(t *testing.T) {
	for what, spoil := range map[string]func(*legacy){
		"nothing":     func(*legacy) {},
		"artifact":    func(l *legacy) { l.file = append(l.file, '!') },
		"signature":   func(l *legacy) { l.signature = []byte(base64.StdEncoding.EncodeToString([]byte("another"))) },
		"certificate": func(l *legacy) { l.certificate = anotherCertificate(t, l.root) },
		"log entry":   func(l *legacy) { l.entry = anotherTime(t, l.entry) },
	} {
		t.Run(what+" changed", func(t *testing.T) {
			l := newLegacy(t)
			spoil(&l)
			for name, err := range verdicts(t, l) {
				if (err == nil) != (what == "nothing") {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// verdicts returns the verdicts of cosign and hallmark.
func verdicts(t *testing.T, l legacy) map[string]error {
	t.Helper()
	file := l.oneFile(t)
	whole, wholeErr := bundle.Parse(file)
	parts, partsErr := bundle.FromDetached(bundle.Detached{Signature: l.signature, Certificate: l.certificate, LogEntry: l.entry})
	path := write(t, "artifact.bundle", file)
	return map[string]error{
		"cosign, one file": cosignOld(t, l, "--bundle", path),
		"cosign, files": cosignOld(t, l, "--bundle", path, "--signature", write(t, "artifact.sig", l.signature),
			"--certificate", write(t, "artifact.pem", l.certificate)),
		"hallmark, one file": hallmarkOld(t, l, whole, wholeErr),
		"hallmark, files":    hallmarkOld(t, l, parts, partsErr),
	}
}

// anotherCertificate returns another certificate of the public instance, of an authority.
func anotherCertificate(t *testing.T, root *trust.Root) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.CertificateAuthorities[0].Chain[0].Raw})
}

// anotherTime returns an entry whose time is a second later than in the signed entry timestamp.
func anotherTime(t *testing.T, entry []byte) []byte {
	t.Helper()
	e, err := rekor.ParseEntryV1(entry)
	if err != nil {
		t.Fatal(err)
	}
	e.IntegratedTime = e.IntegratedTime.Add(time.Second)
	return keptEntry(t, e)
}
