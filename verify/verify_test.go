// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
)

var artifact = []byte("an artifact\n")

func fromBytes(b []byte) verify.Artifact { return verify.FromReader(bytes.NewReader(b)) }

// refused checks that err is a refusal with this step and code.
func refused(t testing.TB, err error, step verify.Step, code verify.Code) {
	t.Helper()
	var refusal *verify.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want %v: %s", err, step, code)
	}
	if refusal.Step != step || refusal.Code != code {
		t.Errorf("got %v, want %v: %s", err, step, code)
	}
	if code.Meaning() == "" {
		t.Errorf("%s has no meaning", code)
	}
}

func statementOf(algorithm string, digest []byte, predicateType string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"%s":"%x"}}],`+
		`"predicateType":"%s","predicate":{}}`, algorithm, digest, predicateType)
}

func sameKey(a, b crypto.PublicKey) bool {
	return a.(interface{ Equal(crypto.PublicKey) bool }).Equal(b)
}

func sum256(b []byte) []byte { sum := sha256.Sum256(b); return sum[:] }

// TestVerify checks every kind of key, message and envelope, by file and by digest.
func TestVerify(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	for name, key := range map[string]crypto.Signer{
		"P-256":   testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t),
		"P-384":   testkit.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t),
		"P-521":   testkit.Must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))(t),
		"RSA":     testkit.RSA(t, 2048),
		"Ed25519": testkit.Must(ed, err)(t),
	} {
		alg := algorithmFor(t, key)
		byDigest := verify.FromDigest(alg.Hash, testkit.Must(alg.Digest(artifact))(t))
		message := in.sign(t, artifact, order{key: key})
		for _, a := range []verify.Artifact{fromBytes(artifact), byDigest} {
			r, err := v.Verify(message, a, trustAlice)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if r.Identity != alice || r.Certificate == nil || r.Hash != alg.Hash || !bytes.Equal(r.Digest, testkit.Must(alg.Digest(artifact))(t)) ||
				len(r.Times) != 1 || !r.Times[0].Time.Equal(signedAt) || r.Times[0].Source() != "https://tsa-log1.example.com" ||
				len(r.Entries) != 1 || r.Entries[0].Log.BaseURL != "https://log1.example.com" || r.Statement != nil {
				t.Errorf("%s: got %+v", name, r)
			}
		}
		attested := in.sign(t, artifact, order{key: key, payload: statementOf("sha256", sum256(artifact), "https://example.com/p")})
		for _, a := range []verify.Artifact{fromBytes(artifact), verify.FromDigest(crypto.SHA256, sum256(artifact))} {
			r, err := v.Verify(attested, a, trustAlice)
			if err != nil || r.Statement == nil || r.Statement.PredicateType != "https://example.com/p" || r.Hash != crypto.SHA256 {
				t.Errorf("%s, envelope: got %+v, %v", name, r, err)
			}
		}
		keyed := in.sign(t, artifact, order{key: key, keyed: true})
		policy := verify.Requirements{Keys: []crypto.PublicKey{in.ct.Public(), key.Public()}}
		if r, err := v.Verify(keyed, fromBytes(artifact), policy); err != nil || !sameKey(r.Key, key.Public()) || r.Identity != (identity.Identity{}) {
			t.Errorf("%s, key: got %+v, %v", name, r, err)
		}
	}
}

// TestVerifyParsed checks a bundle that was marshalled and parsed.
func TestVerifyParsed(t *testing.T) {
	in := newInstance(t, "example.com")
	raw := testkit.Must(in.sign(t, artifact, order{}).Marshal())(t)
	root := testkit.Must(in.root.Marshal())(t)
	v := testkit.Must(verify.New(testkit.Must(trust.Parse(root))(t)))(t)
	if _, err := v.Verify(testkit.Must(bundle.Parse(raw))(t), fromBytes(artifact), trustAlice); err != nil {
		t.Error(err)
	}
}

func TestZeroPolicyAcceptsNothing(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	_, err := v.Verify(in.sign(t, artifact, order{}), fromBytes(artifact), verify.Requirements{})
	refused(t, err, verify.StepIdentity, verify.IdentityMismatch)
	_, err = v.Verify(in.sign(t, artifact, order{keyed: true}), fromBytes(artifact), verify.Requirements{})
	refused(t, err, verify.StepIdentity, verify.KeyMismatch)
	if r, err := v.Verify(in.sign(t, artifact, order{}), fromBytes(artifact), verify.Requirements{AnyIdentityUnsafe: true}); err != nil || r.Identity != alice {
		t.Errorf("any identity: %v, %v", r, err)
	}
}

// TestKeysAndIdentitiesAreApart checks that a certificate never matches a policy's key, and a
// key never matches an identity.
func TestKeysAndIdentitiesAreApart(t *testing.T) {
	in := newInstance(t, "example.com")
	v, key := in.verifier(t), fixedKey(t, "signer").Public()
	_, err := v.Verify(in.sign(t, artifact, order{}), fromBytes(artifact), verify.Requirements{Keys: []crypto.PublicKey{key}})
	refused(t, err, verify.StepIdentity, verify.IdentityMismatch)
	keyed := in.sign(t, artifact, order{keyed: true})
	_, err = v.Verify(keyed, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepIdentity, verify.KeyMismatch)
	_, err = v.Verify(keyed, fromBytes(artifact), verify.Requirements{Keys: []crypto.PublicKey{in.ct.Public()}})
	refused(t, err, verify.StepLog, verify.KeyMismatch)
	_, err = v.Verify(keyed, fromBytes(artifact), verify.Requirements{Keys: []crypto.PublicKey{nil}})
	refused(t, err, verify.StepIdentity, verify.KeyMismatch)
}

func TestWithoutLogOrTime(t *testing.T) {
	in := newInstance(t, "example.com")
	v, keys := in.verifier(t), []crypto.PublicKey{fixedKey(t, "signer").Public()}
	bare := in.sign(t, artifact, order{keyed: true, logs: []*logServer{}, tsas: []*stamper{}})
	_, err := v.Verify(bare, fromBytes(artifact), verify.Requirements{Keys: keys})
	refused(t, err, verify.StepTimes, verify.TimestampMissing)
	_, err = v.Verify(bare, fromBytes(artifact), verify.Requirements{Keys: keys, NoTimestampUnsafe: true})
	refused(t, err, verify.StepLog, verify.LogMissing)
	unsafe := verify.Requirements{Keys: keys, NoTimestampUnsafe: true, NoLogUnsafe: true}
	if r, err := v.Verify(bare, fromBytes(artifact), unsafe); err != nil || len(r.Times)+len(r.Entries) != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	_, err = v.Verify(bare, fromBytes([]byte("other")), unsafe)
	refused(t, err, verify.StepSignature, verify.ArtifactMismatch)
	bare.Message.Digest, bare.Message.Hash = nil, 0
	_, err = v.Verify(bare, fromBytes([]byte("other")), unsafe)
	refused(t, err, verify.StepSignature, verify.SignatureInvalid)

	// A certificate requires a time.
	certified := in.sign(t, artifact, order{tsas: []*stamper{}})
	policy := trustAlice
	policy.NoTimestampUnsafe = true
	_, err = v.Verify(certified, fromBytes(artifact), policy)
	refused(t, err, verify.StepTimes, verify.TimestampMissing)
}

// TestPureEd25519Envelope checks Ed25519 over an envelope's bytes, as made by clients of Rekor
// v1 and clients without a log.
func TestPureEd25519Envelope(t *testing.T) {
	in := newInstance(t, "example.com")
	_, key, err := ed25519.GenerateKey(rand.Reader)
	b := in.sign(t, artifact, order{
		key: testkit.Must(key, err)(t), keyed: true, payload: statementOf("sha256", sum256(artifact), "p"), logs: []*logServer{}, tsas: []*stamper{},
	})
	policy := verify.Requirements{Keys: []crypto.PublicKey{key.Public()}, NoLogUnsafe: true, NoTimestampUnsafe: true}
	if _, err := in.verifier(t).Verify(b, fromBytes(artifact), policy); err != nil {
		t.Errorf("prehashed: %v", err)
	}
	b.Envelope.Signatures[0].Sig = ed25519.Sign(key, b.Envelope.PAE())
	if _, err := in.verifier(t).Verify(b, fromBytes(artifact), policy); err != nil {
		t.Errorf("pure: %v", err)
	}
	b.Envelope.Payload = append(b.Envelope.Payload, ' ')
	_, err = in.verifier(t).Verify(b, fromBytes(artifact), policy)
	refused(t, err, verify.StepSignature, verify.SignatureInvalid)
}

func TestStatements(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	sum512 := sha512.Sum512(artifact)
	for name, c := range map[string]struct {
		payload  string
		artifact verify.Artifact
		code     verify.Code
	}{
		"sha512":           {string(statementOf("sha512", sum512[:], "p")), fromBytes(artifact), ""},
		"by other digest":  {string(statementOf("sha512", sum512[:], "p")), verify.FromDigest(crypto.SHA256, sum256(artifact)), verify.DigestAlgorithmMismatch},
		"other artifact":   {string(statementOf("sha256", sum256(artifact), "p")), fromBytes([]byte("other")), verify.SubjectMismatch},
		"other digest":     {string(statementOf("sha256", sum256(artifact), "p")), verify.FromDigest(crypto.SHA256, sum256(nil)), verify.SubjectMismatch},
		"git commits only": {string(statementOf("gitCommit", []byte{1}, "p")), fromBytes(artifact), verify.SubjectMismatch},
		"no statement":     {`{}`, fromBytes(artifact), verify.StatementInvalid},
		"one of two": {strings.Replace(string(statementOf("sha256", sum256(artifact), "p")), `"subject":[`,
			`"subject":[{"digest":{"sha512":"`+hex.EncodeToString(make([]byte, 64))+`"}},`, 1), fromBytes(artifact), ""},
	} {
		_, err := v.Verify(in.sign(t, nil, order{payload: []byte(c.payload)}), c.artifact, trustAlice)
		if c.code == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.code != "" {
			t.Run(name, func(t *testing.T) { refused(t, err, verify.StepStatement, c.code) })
		}
	}
}

// zeros yields n zero bytes, then an error.
type zeros struct {
	left int64
	err  error
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, z.err
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

func TestArtifactIsStreamed(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	const size = 64 << 20
	b := in.sign(t, make([]byte, size), order{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := v.Verify(b, verify.FromReader(&zeros{size, io.EOF}), trustAlice); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes allocated", used)
	}
	// An error of the artifact's reader is not a refusal.
	broken := errors.New("disk on fire")
	_, err := v.Verify(b, verify.FromReader(&zeros{1 << 10, broken}), trustAlice)
	if refusal := new(verify.Error); !errors.Is(err, broken) || errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
	for name, a := range map[string]verify.Artifact{
		"none": {}, "SHA-1": verify.FromDigest(crypto.SHA1, make([]byte, 20)), "short": verify.FromDigest(crypto.SHA256, make([]byte, 20)),
	} {
		_, err := v.Verify(b, a, trustAlice)
		if refusal := new(verify.Error); err == nil || errors.As(err, &refusal) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// The artifact is not read for a bundle that is refused anyway.
	unread := &zeros{size, io.EOF}
	_, err = v.Verify(b, verify.FromReader(unread), verify.Requirements{})
	refused(t, err, verify.StepIdentity, verify.IdentityMismatch)
	if unread.left != size {
		t.Error("the artifact was read for a bundle of another signer")
	}
}

func TestConcurrentUse(t *testing.T) {
	in := newInstance(t, "example.com")
	v, b := in.verifier(t), in.sign(t, artifact, order{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := v.Verify(b, fromBytes(artifact), trustAlice); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestShape checks the shape of bundles built by programs.
func TestShape(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	for name, spoil := range map[string]func(*bundle.Bundle){
		"no content":   func(b *bundle.Bundle) { b.Message = nil },
		"no signature": func(b *bundle.Bundle) { b.Message.Signature = nil },
		"certificate":  func(b *bundle.Bundle) { b.Certificates[0] = []byte{0x30, 0} },
		"entry body":   func(b *bundle.Bundle) { b.Entries[0].CanonicalizedBody = []byte("{}") },
		"empty payload": func(b *bundle.Bundle) {
			*b = *in.sign(t, nil, order{payload: []byte("x")})
			b.Envelope.Signatures = nil
		},
	} {
		b := in.sign(t, artifact, order{})
		spoil(b)
		_, err := v.Verify(b, fromBytes(artifact), trustAlice)
		t.Run(name, func(t *testing.T) { refused(t, err, verify.StepShape, verify.Malformed) })
	}
	_, err := v.Verify(nil, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepShape, verify.Malformed)
	if _, err := verify.New(nil); err == nil {
		t.Error("a verifier of no root")
	}
	if _, err := verify.New(&trust.Root{CertificateAuthorities: []trust.Authority{{}}}); err == nil {
		t.Error("an authority of no certificates")
	}
	rootless := testkit.Must(verify.New(new(trust.Root)))(t)
	_, err = rootless.Verify(in.sign(t, artifact, order{}), fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepTimes, verify.OtherInstance)
}

func TestCodesAndSteps(t *testing.T) {
	seen := map[verify.Code]bool{}
	for _, code := range verify.Codes() {
		if code.Meaning() == "" || seen[code] || strings.ToLower(string(code)) != string(code) {
			t.Errorf("code %q", code)
		}
		seen[code] = true
	}
	if verify.Code("").Meaning() != "" || verify.Step(0).String() != "Step(0)" || verify.StepStatement.String() != "statement" {
		t.Error("names of what is none")
	}
	err := &verify.Error{Step: verify.StepLog, Code: verify.LogEntryMismatch, Expected: "a", Found: "b", Err: io.EOF}
	if got := err.Error(); got != "verifying bundle: log: log-entry-mismatch: EOF: expected a, found b" || !errors.Is(err, io.EOF) {
		t.Errorf("got %s", got)
	}
}

// BenchmarkVerify measures the parsing and verification of one bundle by a warm verifier.
func BenchmarkVerify(b *testing.B) {
	in := newInstance(b, "example.com")
	v := in.verifier(b)
	for name, o := range map[string]order{"message": {}, "envelope": {payload: statementOf("sha256", sum256(artifact), "p")}} {
		raw := testkit.Must(in.sign(b, artifact, o).Marshal())(b)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(testkit.Must(bundle.Parse(raw))(b), fromBytes(artifact), trustAlice); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestArtifactIsReadOnce checks that a reader consumed by an earlier verification is reported
// as a mistake of the caller, not as a changed artifact.
func TestArtifactIsReadOnce(t *testing.T) {
	in := newInstance(t, "example.com")
	v, b := in.verifier(t), in.sign(t, artifact, order{})
	file := testkit.Must(os.CreateTemp(t.TempDir(), ""))(t)
	defer file.Close()
	if _, err := file.WriteAt(artifact, 0); err != nil {
		t.Fatal(err)
	}
	once, seeker := verify.FromReader(bytes.NewBuffer(artifact)), bytes.NewReader(artifact)
	for name, again := range map[string]func() verify.Artifact{
		"artifact": func() verify.Artifact { return once },
		"file":     func() verify.Artifact { return verify.FromReader(file) },
		"seeker":   func() verify.Artifact { return verify.FromReader(seeker) },
	} {
		if _, err := v.Verify(b, again(), trustAlice); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := v.Verify(b, again(), trustAlice)
		if refusal := new(verify.Error); !errors.Is(err, verify.ErrArtifactRead) || errors.As(err, &refusal) {
			t.Errorf("%s, used up: got %v", name, err)
		}
		if e := v.Explain(b, again(), trustAlice); !errors.Is(e.Err, verify.ErrArtifactRead) {
			t.Errorf("%s, explained: got %v", name, e.Err)
		}
	}
	if _, err := v.Verify(b, verify.FromReader(nil), trustAlice); err == nil || !strings.Contains(err.Error(), "no reader") {
		t.Errorf("no reader: got %v", err)
	}
	// An empty file is a changed artifact.
	_, err := v.Verify(b, fromBytes(nil), trustAlice)
	refused(t, err, verify.StepSignature, verify.ArtifactMismatch)
}

// TestZeroVerifier checks that the error of a zero Verifier describes the mistake.
func TestZeroVerifier(t *testing.T) {
	b := newInstance(t, "example.com").sign(t, artifact, order{})
	for name, v := range map[string]*verify.Verifier{"zero": {}, "nil": nil} {
		_, err := v.Verify(b, fromBytes(artifact), trustAlice)
		explained := v.Explain(b, fromBytes(artifact), trustAlice).Err
		if refusal := new(verify.Error); err == nil || errors.As(err, &refusal) || !strings.Contains(err.Error(), "verify.New") || explained == nil || explained.Error() != err.Error() {
			t.Errorf("%s: got %v; explained: %v", name, err, explained)
		}
	}
}
