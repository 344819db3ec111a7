// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Tests that every bundle that the specification allows is accepted, and refused with another
// artifact.

// The media types, and which of them have a chain.
var mediaTypes = map[string]bundle.Version{
	"application/vnd.dev.sigstore.bundle+json;version=0.1": bundle.V01,
	"application/vnd.dev.sigstore.bundle+json;version=0.2": bundle.V02,
	"application/vnd.dev.sigstore.bundle+json;version=0.3": bundle.V03,
	"application/vnd.dev.sigstore.bundle.v0.3+json":        bundle.V03,
}

// written returns the bundle as JSON of another media type.
func written(t testing.TB, b *bundle.Bundle, mediaType string) []byte {
	t.Helper()
	plain := *b
	plain.Version = bundle.V03
	plain.Certificates = b.Certificates[:min(len(b.Certificates), 1)]
	plain.Entries = nil
	var tree map[string]any
	if err := json.Unmarshal(testkit.Must(plain.Marshal())(t), &tree); err != nil {
		t.Fatal(err)
	}
	tree["mediaType"] = mediaType
	material := tree["verificationMaterial"].(map[string]any)
	if len(b.Certificates) > 0 && mediaTypes[mediaType] < bundle.V03 {
		var chain []any
		for _, der := range b.Certificates {
			chain = append(chain, map[string]any{"rawBytes": der})
		}
		delete(material, "certificate")
		material["x509CertificateChain"] = map[string]any{"certificates": chain}
	}
	var entries []json.RawMessage // in the form of old bundles, which Marshal does not write
	for _, e := range b.Entries {
		entries = append(entries, testkit.Must(e.Marshal())(t))
	}
	material["tlogEntries"] = entries
	return testkit.Must(json.Marshal(tree))(t)
}

// An evidence is a combination of log entry and timestamps.
type evidence struct {
	name     string
	version  bundle.Version // least
	most     bundle.Version
	envelope bool // for envelopes; else for messages
	stamp    bool
	embed    bool
	entry    func(t testing.TB, in *instance, b *bundle.Bundle, signer rekor.Verifier) rekor.Entry
}

// v1 returns a function that makes an entry of Rekor v1, changed by spoil.
func v1(kind, version string, spoil func(*rekor.Entry)) func(testing.TB, *instance, *bundle.Bundle, rekor.Verifier) rekor.Entry {
	return func(t testing.TB, in *instance, b *bundle.Bundle, signer rekor.Verifier) rekor.Entry {
		block := &pem.Block{Type: "CERTIFICATE", Bytes: signer.Certificate}
		if signer.Certificate == nil {
			block = &pem.Block{Type: "PUBLIC KEY", Bytes: signer.PublicKey}
		}
		l := in.logs[0]
		e := l.aloneAs(t, l.origin+" - 1193050959916656506", l.origin, kind, version, bodyV1By(b, kind, pem.EncodeToMemory(block)))
		e.LogIndex = 4288993
		l.promise(t, &e, signedAt)
		spoil(&e)
		return e
	}
}

func v2Hashed(t testing.TB, in *instance, b *bundle.Bundle, signer rekor.Verifier) rekor.Entry {
	digest := sum256(artifact)
	if b.Envelope != nil {
		digest = sum256(b.Envelope.PAE())
	}
	return testkit.Must(in.logs[0].Add(t.Context(), rekor.HashedRekord{Digest: digest, Signature: b.Signature(), Verifier: signer}))(t)
}

// v2DSSE returns an entry of the kind that the specification has removed.
func v2DSSE(t testing.TB, in *instance, b *bundle.Bundle, signer rekor.Verifier) rekor.Entry {
	verifier := fmt.Sprintf(`"x509Certificate":{"rawBytes":"%s"}`, b64(signer.Certificate))
	if signer.Certificate == nil {
		verifier = fmt.Sprintf(`"publicKey":{"rawBytes":"%s"}`, b64(signer.PublicKey))
	}
	return in.logs[0].alone(t, "dsse", "0.0.2", fmt.Appendf(nil, `{"apiVersion":"0.0.2","kind":"dsse","spec":{"dsseV002":{`+
		`"payloadHash":{"algorithm":"SHA2_256","digest":"%s"},"signatures":[{"content":"%s","verifier":{"keyDetails":"%s",%s}}]}}}`,
		b64(sum256(b.Envelope.Payload)), b64(b.Signature()), signer.KeyDetails, verifier))
}

func evidences() []evidence {
	whole := func(*rekor.Entry) {}
	promise := func(e *rekor.Entry) { e.Proof = nil }
	proof := func(e *rekor.Entry) { e.SignedEntryTimestamp = nil }
	all := []evidence{
		{"hashedrekord 0.0.2", bundle.V02, bundle.V03, false, true, false, v2Hashed},
		{"hashedrekord 0.0.2, certificates in the token", bundle.V02, bundle.V03, false, true, true, v2Hashed},
		{"hashedrekord 0.0.2 over the PAE", bundle.V02, bundle.V03, true, true, false, v2Hashed},
		{"dsse 0.0.2", bundle.V02, bundle.V03, true, true, true, v2DSSE},
	}
	for kind, version := range map[string]string{"hashedrekord": "0.0.1", "dsse": "0.0.1", "intoto": "0.0.2"} {
		envelope := kind != "hashedrekord"
		all = append(all,
			evidence{kind + ", promise and proof", bundle.V01, bundle.V03, envelope, false, false, v1(kind, version, whole)},
			evidence{kind + ", promise and proof and token", bundle.V01, bundle.V03, envelope, true, true, v1(kind, version, whole)},
			evidence{kind + ", promise", bundle.V01, bundle.V01, envelope, false, false, v1(kind, version, promise)},
			evidence{kind + ", proof and token", bundle.V02, bundle.V03, envelope, true, false, v1(kind, version, proof)})
	}
	return all
}

// TestEveryBundle checks all combinations of media type, message or envelope, certificate,
// chain or key, log entry and timestamp.
func TestEveryBundle(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	key := fixedKey(t, "signer")
	keys := verify.Requirements{Keys: []crypto.PublicKey{key.Public()}}
	seen := 0
	for _, e := range evidences() {
		for mediaType, version := range mediaTypes {
			if version < e.version || version > e.most {
				continue
			}
			for _, material := range []string{"certificate", "chain", "key"} {
				if material == "chain" && version == bundle.V03 {
					continue
				}
				o, policy := order{keyed: material == "key", logs: []*logServer{}, tsas: []*stamper{}}, trustAlice
				if o.keyed {
					policy = keys
				}
				if e.envelope {
					o.payload = statementOf("sha256", sum256(artifact), "p")
				}
				b := in.sign(t, artifact, o)
				signer := rekor.Verifier{KeyDetails: sigalg.ECDSAP256SHA256, PublicKey: testkit.Must(x509.MarshalPKIXPublicKey(key.Public()))(t)}
				if !o.keyed {
					signer = rekor.Verifier{KeyDetails: sigalg.ECDSAP256SHA256, Certificate: b.Certificates[0]}
				}
				if material == "chain" {
					b.Certificates = append(b.Certificates, in.intermediate.cert.Raw, in.ca.cert.Raw)
				}
				if e.stamp {
					b.Timestamps = [][]byte{in.tsas[0].stamp(t, b.Signature(), signedAt, e.embed)}
				}
				b.Entries = []rekor.Entry{e.entry(t, in, b, signer)}
				raw := written(t, b, mediaType)
				seen++
				t.Run(fmt.Sprintf("%s, %s, %s", mediaType[len("application/vnd.dev.sigstore."):], material, e.name), func(t *testing.T) {
					judged(t, v, testkit.Must(bundle.Parse(raw))(t), policy)
				})
			}
		}
	}
	if seen < 100 {
		t.Errorf("%d bundles", seen)
	}
}

// judged checks that the bundle is accepted for the artifact, by file and
// digest, and for no other.
func judged(t *testing.T, v *verify.Verifier, b *bundle.Bundle, policy verify.Requirements) {
	t.Helper()
	r, err := v.Verify(b, fromBytes(artifact), policy)
	if err != nil {
		t.Fatal(err)
	}
	if (r.Statement != nil) != (b.Envelope != nil) || (r.Certificate == nil) != (len(b.Certificates) == 0) || len(r.Times) == 0 || r.Key == nil {
		t.Errorf("got %+v", r)
	}
	if _, err := v.Verify(b, verify.FromDigest(r.Hash, r.Digest), policy); err != nil {
		t.Errorf("by digest: %v", err)
	}
	_, err = v.Verify(b, fromBytes([]byte("other")), policy)
	step, code := verify.StepSignature, verify.ArtifactMismatch
	if b.Envelope != nil {
		step, code = verify.StepStatement, verify.SubjectMismatch
	}
	refused(t, err, step, code)
}

// algorithmKeys returns a key for each algorithm of the registry that can sign.
func algorithmKeys(t testing.TB) map[string]crypto.Signer {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	keys := map[string]crypto.Signer{
		"PKIX_ECDSA_P256_SHA_256": testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t),
		"PKIX_ECDSA_P384_SHA_384": testkit.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t),
		"PKIX_ECDSA_P521_SHA_512": testkit.Must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))(t),
		"PKIX_ED25519":            testkit.Must(ed, err)(t),
		"PKIX_ED25519_PH":         ed,
	}
	for _, size := range []int{2048, 3072, 4096} {
		key := testkit.RSA(t, size)
		keys[fmt.Sprintf("PKIX_RSA_PKCS1V15_%d_SHA256", size)] = key
		keys[fmt.Sprintf("PKIX_RSA_PSS_%d_SHA256", size)] = key
	}
	return keys
}

// resigned returns a bundle with a signature of this algorithm, without log entries and
// timestamps.
func resigned(t testing.TB, in *instance, key crypto.Signer, name string, o order) *bundle.Bundle {
	t.Helper()
	o.key, o.logs, o.tsas = key, []*logServer{}, []*stamper{}
	alg := testkit.Must(sigalg.ByName(name))(t)
	b := in.sign(t, artifact, o)
	message := artifact
	if b.Envelope != nil {
		message = b.Envelope.PAE()
	}
	signature := testkit.Must(alg.Sign(rand.Reader, key, message))(t)
	if b.Envelope != nil {
		b.Envelope.Signatures[0].Sig = signature
	} else {
		b.Message = &bundle.MessageSignature{Hash: alg.Hash, Digest: testkit.Must(alg.Digest(message))(t), Signature: signature}
	}
	return b
}

// TestEveryAlgorithm checks each algorithm, for messages and envelopes, for certificates and
// keys, with and without a log entry.
func TestEveryAlgorithm(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	for name, key := range algorithmKeys(t) {
		alg := testkit.Must(sigalg.ByName(name))(t)
		for _, payload := range [][]byte{nil, statementOf("sha256", sum256(artifact), "p")} {
			if alg.Hash == 0 && payload == nil {
				continue // can't verify a digest
			}
			for _, keyed := range []bool{true, false} {
				b := resigned(t, in, key, name, order{keyed: keyed, payload: payload})
				policy := trustAlice
				if keyed {
					policy = verify.Requirements{Keys: []crypto.PublicKey{key.Public()}}
				}
				signer := rekor.Verifier{KeyDetails: name, PublicKey: testkit.Must(x509.MarshalPKIXPublicKey(key.Public()))(t)}
				if !keyed {
					signer = rekor.Verifier{KeyDetails: name, Certificate: b.Certificates[0]}
				}
				b.Timestamps = [][]byte{in.tsas[0].stamp(t, b.Signature(), signedAt, false)}
				t.Run(fmt.Sprintf("%s, key: %v, envelope: %v", name, keyed, payload != nil), func(t *testing.T) {
					unlogged := policy
					unlogged.NoLogUnsafe = true
					judgedUnlogged(t, v, b, unlogged)
					if alg.Hash == 0 {
						return // no log has it as hashedrekord
					}
					message := artifact
					if payload != nil {
						message = dsse.PAE(dsse.PayloadTypeInToto, payload)
					}
					b.Entries = []rekor.Entry{testkit.Must(in.logs[0].Add(t.Context(), rekor.HashedRekord{
						Digest: testkit.Must(alg.Digest(message))(t), Signature: b.Signature(), Verifier: signer,
					}))(t)}
					judged(t, v, testkit.Must(bundle.Parse(testkit.Must(b.Marshal())(t)))(t), policy)
				})
			}
		}
	}
}

func judgedUnlogged(t *testing.T, v *verify.Verifier, b *bundle.Bundle, policy verify.Requirements) {
	t.Helper()
	if _, err := v.Verify(b, fromBytes(artifact), policy); err != nil {
		t.Errorf("without log: %v", err)
	}
	broken := *b
	if b.Envelope != nil {
		broken.Envelope = &dsse.Envelope{PayloadType: b.Envelope.PayloadType, Payload: append([]byte(" "), b.Envelope.Payload...), Signatures: b.Envelope.Signatures}
	} else {
		broken.Message = &bundle.MessageSignature{Signature: b.Signature()}
	}
	a := fromBytes([]byte("other"))
	_, err := v.Verify(&broken, a, policy)
	refused(t, err, verify.StepSignature, verify.SignatureInvalid)
}

// TestOtherEncodingThanLogged checks that only the logged algorithm is accepted: a signature by
// the same key with another encoding is refused.
func TestOtherEncodingThanLogged(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	key := testkit.RSA(t, 2048)
	b := resigned(t, in, key, "PKIX_RSA_PSS_2048_SHA256", order{})
	b.Timestamps = [][]byte{in.tsas[0].stamp(t, b.Signature(), signedAt, false)}
	h := rekor.HashedRekord{Digest: sum256(artifact), Signature: b.Signature(),
		Verifier: rekor.Verifier{Certificate: b.Certificates[0], KeyDetails: "PKIX_RSA_PSS_2048_SHA256"}}
	body := strings.Replace(string(testkit.Must(h.Body())(t)), "_PSS_", "_PKCS1V15_", 1)
	b.Entries = []rekor.Entry{in.logs[0].alone(t, rekor.KindHashedRekord, rekor.VersionHashedRekord, []byte(body))}
	_, err := v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepSignature, verify.SignatureInvalid)
}

// TestSCTExtensions checks SCTs with extensions of any content, which are part of the signed
// data.
func TestSCTExtensions(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	leafIndex := testkit.Must(sct.LeafIndexExtension(7))(t)
	for name, extensions := range map[string][]byte{
		"none": nil, "leaf index": leafIndex, "another": {9, 0, 2, 1, 2}, "both": append([]byte{9, 0, 0}, leafIndex...),
	} {
		o := in.complete(t, order{})
		o.ca = &in.intermediate
		b := in.sign(t, artifact, o)
		b.Certificates[0] = in.certifyWith(t, o, extensions, extensions).Raw
		signer := rekor.Verifier{KeyDetails: sigalg.ECDSAP256SHA256, Certificate: b.Certificates[0]}
		b.Entries = []rekor.Entry{v2Hashed(t, in, b, signer)}
		if _, err := v.Verify(b, fromBytes(artifact), trustAlice); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.Certificates[0] = in.certifyWith(t, o, extensions, append([]byte{8, 0, 0}, extensions...)).Raw
		_, err := v.Verify(b, fromBytes(artifact), trustAlice)
		refused(t, err, verify.StepSCT, verify.SCTInvalid)
	}
}

// certifyWith issues a certificate whose SCT was signed over one extensions field
// and carries another.
func (in *instance) certifyWith(t testing.TB, o order, signed, carried []byte) *x509.Certificate {
	t.Helper()
	return in.promised(t, o, unchanged, func(entry sct.Precert) []byte {
		s := testkit.Must(sct.Sign(in.ct, entry, uint64(signedAt.UnixMilli()), signed))(t)
		s.Extensions = bytes.Clone(carried)
		return testkit.Must(sct.MarshalList([]sct.SCT{s}))(t)
	})
}

// template returns the certificate template of an order.
func (in *instance) template(t testing.TB, o order) *x509.Certificate {
	t.Helper()
	return &x509.Certificate{
		SerialNumber: big.NewInt(3), NotBefore: signedAt.Add(-time.Minute), NotAfter: signedAt.Add(9 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: testkit.Must(o.who.Extensions())(t),
	}
}

func unchanged(*x509.Certificate) {}

// promised issues a certificate after a change of its template. The extension of SCTs has the
// content that list returns for the precertificate, and is absent if list is nil.
func (in *instance) promised(t testing.TB, o order, change func(*x509.Certificate), list func(sct.Precert) []byte) *x509.Certificate {
	t.Helper()
	template := in.template(t, o)
	change(template)
	plain := issue(t, template, o.key, o.ca).cert
	value := list(testkit.Must(sct.NewPrecert(plain, o.ca.cert))(t))
	if value == nil {
		return plain
	}
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: sct.OIDList(), Value: value})
	return issue(t, template, o.key, o.ca).cert
}

// signedBy returns a bundle with this certificate and a log entry.
func (in *instance) signedBy(t testing.TB, certificate []byte) *bundle.Bundle {
	t.Helper()
	b := in.sign(t, artifact, order{logs: []*logServer{}})
	b.Certificates[0] = certificate
	b.Entries = []rekor.Entry{v2Hashed(t, in, b, rekor.Verifier{KeyDetails: sigalg.ECDSAP256SHA256, Certificate: certificate})}
	return b
}

// trustSigner returns the keys of a policy that accepts bundles of sign with a key.
func trustSigner(t testing.TB) []crypto.PublicKey {
	return []crypto.PublicKey{fixedKey(t, "signer").Public()}
}
