// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/hallmark-sign/hallmark/hallmarktest"
)

const (
	alice         = "alice@example.com"
	predicateType = "https://example.com/predicate/v1"
)

// newRequest starts an instance and prepares what every client needs of it:
// the files that hallmark exports, and a token of alice.
func newRequest(t *testing.T) request {
	t.Helper()
	return requestOf(t, hallmarktest.Start(t, hallmarktest.Options{Evidence: true}))
}

func requestOf(t *testing.T, instance *hallmarktest.Instance) request {
	t.Helper()
	config, err := root.NewSigningConfigFromPath(instance.SigningConfigFile)
	if err != nil {
		t.Fatalf("sigstore-go reading the signing config: %v", err)
	}
	artifact := []byte("what everybody signs\n")
	predicate := []byte(`{"made":"by hand"}`)
	digest := sha256.Sum256(artifact)
	statement := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"artifact","digest":{"sha256":"%x"}}],"predicateType":%q,"predicate":%s}`,
		digest, predicateType, predicate)
	return request{
		instance:      instance,
		url:           instance.URL,
		trustedRoot:   instance.TrustedRootFile,
		signingConfig: instance.SigningConfigFile,
		token:         write(t, "token", []byte(instance.Token(t, alice))),
		file:          write(t, "artifact", artifact),
		predicate:     write(t, "predicate.json", predicate),
		predicateType: predicateType,
		statement:     write(t, "statement.json", statement),
		identity:      alice,
		issuer:        config.OIDCProviderURLs()[0].URL,
	}.withBundle(t)
}

// withBundle returns the request with a new path for its bundle.
func (r request) withBundle(t *testing.T) request {
	r.bundle = filepath.Join(t.TempDir(), "artifact.sigstore.json")
	return r
}

// TestEveryClientReadsEveryClient checks that each client accepts the bundles of each client,
// signed with one instance, and refuses changed ones.
func TestEveryClientReadsEveryClient(t *testing.T) {
	r := newRequest(t)
	for _, signer := range clients() {
		t.Run(signer.name+" signs", func(t *testing.T) {
			r := r.withBundle(t)
			if err := signer.signBlob(t, r); err != nil {
				t.Fatal(err)
			}
			everyClientJudges(t, r)
		})
		t.Run(signer.name+" attests", func(t *testing.T) {
			r := r.withBundle(t)
			r.attestation = true
			if err := signer.signStatement(t, r); err != nil {
				t.Fatal(err)
			}
			everyClientJudges(t, r)
		})
	}
}

// TestEveryClientReadsCosignatures checks that each client accepts a checkpoint with a witness's
// cosignature and the log's second signature line, which is for witnesses.
func TestEveryClientReadsCosignatures(t *testing.T) {
	r := requestOf(t, hallmarktest.Start(t, hallmarktest.Options{Witness: true})).withBundle(t)
	if err := hallmarkSign(t, r); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(read(t, r.bundle), []byte(`\n— witness.example.com `)) {
		t.Fatalf("no cosignature in %s", read(t, r.bundle))
	}
	everyClientJudges(t, r)
	r = r.withBundle(t)
	r.attestation = true
	if err := hallmarkAttest(t, r); err != nil {
		t.Fatal(err)
	}
	everyClientJudges(t, r)
}

// TestEveryClientReadsRotatedLogs checks that after a log rotation, every client accepts earlier
// signatures, and that every client accepts new signatures of every client.
func TestEveryClientReadsRotatedLogs(t *testing.T) {
	instance := hallmarktest.New(t)
	before := requestOf(t, instance).withBundle(t)
	if err := hallmarkSign(t, before); err != nil {
		t.Fatal(err)
	}
	instance.Rotate(t, "localhost")
	t.Run("signed before", func(t *testing.T) { everyClientJudges(t, before) })
	for _, signer := range clients() {
		t.Run(signer.name+" signs", func(t *testing.T) {
			r := requestOf(t, instance).withBundle(t)
			if err := signer.signBlob(t, r); err != nil {
				t.Fatal(err)
			}
			everyClientJudges(t, r)
		})
	}
}

func everyClientJudges(t *testing.T, r request) {
	for _, verifier := range clients() {
		if r.attestation && !verifier.readsAttestations {
			continue
		}
		t.Run(verifier.name+" verifies", func(t *testing.T) {
			if err := verifier.verify(t, r); err != nil {
				t.Fatalf("refused a good bundle: %v", err)
			}
			for what, changed := range spoiled(t, r) {
				if what == "artifact" && r.attestation && !verifier.readsSubjects {
					continue
				}
				if err := verifier.verify(t, changed); err == nil {
					t.Errorf("accepted a bundle with another %s", what)
				}
			}
		})
	}
}

// spoiled returns requests that no client may accept.
func spoiled(t *testing.T, r request) map[string]request {
	t.Helper()
	identity, issuer, artifact, signature := r, r, r, r
	identity.identity = "bob@example.com"
	issuer.issuer = "https://issuer.example.com"
	artifact.file = write(t, "artifact", append(read(t, r.file), '!'))
	signature.bundle = write(t, "artifact.sigstore.json", flipSignature(t, read(t, r.bundle)))
	return map[string]request{"identity": identity, "issuer": issuer, "artifact": artifact, "signature": signature}
}

// flipSignature changes one bit of the bundle's signature.
func flipSignature(t *testing.T, bundle []byte) []byte {
	t.Helper()
	var parsed struct {
		MessageSignature struct{ Signature []byte }
		DsseEnvelope     struct{ Signatures []struct{ Sig []byte } }
	}
	if err := json.Unmarshal(bundle, &parsed); err != nil {
		t.Fatal(err)
	}
	signature := parsed.MessageSignature.Signature
	if len(parsed.DsseEnvelope.Signatures) > 0 {
		signature = parsed.DsseEnvelope.Signatures[0].Sig
	}
	old := base64.StdEncoding.EncodeToString(signature)
	signature[len(signature)-1] ^= 1
	changed := bytes.Replace(bundle, []byte(old), []byte(base64.StdEncoding.EncodeToString(signature)), 1)
	if len(signature) == 0 || bytes.Equal(changed, bundle) {
		t.Fatal("found no signature to change")
	}
	return changed
}
