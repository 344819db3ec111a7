// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

func exampleEntry() Entry {
	return Entry{
		LogIndex: 0, LogID: make([]byte, 32), Kind: KindHashedRekord, Version: VersionHashedRekord,
		Proof: &Proof{
			InclusionProof: tile.InclusionProof{Index: 0, Size: 2, Hashes: []tlog.Hash{{1}}},
			Root:           tlog.Hash{2}, Checkpoint: []byte("log.example.com\n2\n"),
		},
		CanonicalizedBody: []byte("{}"),
	}
}

// TestMarshalWritesZeroes checks members that clients require even if they are zero.
func TestMarshalWritesZeroes(t *testing.T) {
	raw, err := exampleEntry().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	const zeroes = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	want := `{"logIndex":"0","logId":{"keyId":"` + zeroes + `A="},` +
		`"kindVersion":{"kind":"hashedrekord","version":"0.0.2"},"integratedTime":"0",` +
		`"inclusionProof":{"logIndex":"0","rootHash":"Ag` + zeroes[:40] + `A=","treeSize":"2",` +
		`"hashes":["AQ` + zeroes[:40] + `A="],"checkpoint":{"envelope":"log.example.com\n2\n"}},"canonicalizedBody":"e30="}`
	if string(raw) != want {
		t.Errorf("got\n%s\nwant\n%s", raw, want)
	}
	got, err := ParseEntry(raw)
	if err != nil || !reflect.DeepEqual(got, exampleEntry()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseEntryRefuses(t *testing.T) {
	raw, err := exampleEntry().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	good := string(raw)
	for name, c := range map[string]struct{ old, new string }{
		"unknown member":      {`{"logIndex"`, `{"x":1,"logIndex"`},
		"doubled member":      {`{"logIndex"`, `{"logIndex":"0","logIndex"`},
		"negative index":      {`{"logIndex":"0"`, `{"logIndex":"-1"`},
		"absurd index":        {`{"logIndex":"0"`, `{"logIndex":"9223372036854775807"`},
		"overflowing index":   {`{"logIndex":"0"`, `{"logIndex":"9223372036854775808"`},
		"short log ID":        {`"keyId":"AAAA`, `"keyId":"`},
		"negative time":       {`"integratedTime":"0"`, `"integratedTime":"-1"`},
		"time after 9999":     {`"integratedTime":"0"`, `"integratedTime":"253402300800"`},
		"empty tree":          {`"treeSize":"2"`, `"treeSize":"0"`},
		"negative tree":       {`"treeSize":"2"`, `"treeSize":"-5"`},
		"absurd tree":         {`"treeSize":"2"`, `"treeSize":"9223372036854775807"`},
		"negative leaf":       {`"inclusionProof":{"logIndex":"0"`, `"inclusionProof":{"logIndex":"-1"`},
		"leaf beyond tree":    {`"inclusionProof":{"logIndex":"0"`, `"inclusionProof":{"logIndex":"2"`},
		"short root":          {`"rootHash":"AgAA`, `"rootHash":"`},
		"short hash":          {`"hashes":["AQAA`, `"hashes":["`},
		"too many hashes":     {`"hashes":["`, `"hashes":["` + strings.Repeat(`","`, 65)},
		"trailing data":       {`"e30="}`, `"e30="}{}`},
		"body is not base64":  {`"e30="`, `"{}"`},
		"log ID missing":      {`"logId":{"keyId":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},`, ``},
		"index is fractional": {`{"logIndex":"0"`, `{"logIndex":0.5`},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("%s: %s is not in %s", name, c.old, good)
		}
		if e, err := ParseEntry([]byte(strings.Replace(good, c.old, c.new, 1))); err == nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if _, err := new(TransparencyLogEntry).Entry(); err == nil {
		t.Error("nothing was accepted")
	}
}

func TestVerifySET(t *testing.T) {
	key := testkit.P256(t)
	e := exampleEntry()
	e.IntegratedTime = time.Unix(1675209600, 0).UTC()
	alg, err := sigalg.ForKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	payload := fmt.Sprintf(`{"body":"e30=","integratedTime":1675209600,"logID":"%s","logIndex":0}`, hex.EncodeToString(e.LogID))
	if e.SignedEntryTimestamp, err = alg.Sign(rand.Reader, key, []byte(payload)); err != nil {
		t.Fatal(err)
	}
	if err := VerifySET(e, key.Public()); err != nil {
		t.Error(err)
	}
	for name, mangle := range map[string]func(e *Entry){
		"time":    func(e *Entry) { e.IntegratedTime = e.IntegratedTime.Add(time.Second) },
		"no time": func(e *Entry) { e.IntegratedTime = time.Time{} },
		"index":   func(e *Entry) { e.LogIndex++ },
		"log":     func(e *Entry) { e.LogID = bytes.Repeat([]byte{1}, 32) },
		"body":    func(e *Entry) { e.CanonicalizedBody = []byte("[]") },
		"no SET":  func(e *Entry) { e.SignedEntryTimestamp = nil },
	} {
		mangled := e
		mangle(&mangled)
		if VerifySET(mangled, key.Public()) == nil {
			t.Errorf("another %s verifies", name)
		}
	}
}

// bodies returns one body of each kind and version.
func bodies(t testing.TB) map[string]string {
	t.Helper()
	key := testkit.P256(t)
	pemKey := b64(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix(t, key.Public())}))
	hash := `{"algorithm":"sha256","value":"` + strings.Repeat("ab", 32) + `"}`
	sig := b64([]byte("signature"))
	v2, err := signed(t, key, sigalg.ECDSAP256SHA256, []byte("hello")).Body()
	if err != nil {
		t.Fatal(err)
	}
	_, signature, _ := strings.Cut(string(v2), `"signature":`)
	signature = strings.TrimSuffix(signature, "}}}")
	return map[string]string{
		"hashedrekord 0.0.1": `{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":` + hash + `},"signature":{"content":"` + sig + `","publicKey":{"content":"` + pemKey + `"}}}}`,
		"hashedrekord 0.0.2": string(v2),
		"dsse 0.0.1":         `{"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":` + hash + `,"payloadHash":` + hash + `,"signatures":[{"signature":"` + sig + `","verifier":"` + pemKey + `"}]}}`,
		"dsse 0.0.2":         `{"apiVersion":"0.0.2","kind":"dsse","spec":{"dsseV002":{"payloadHash":{"algorithm":"SHA2_256","digest":"` + b64(make([]byte, 32)) + `"},"signatures":[` + signature + `]}}}`,
		"intoto 0.0.2":       `{"apiVersion":"0.0.2","kind":"intoto","spec":{"content":{"envelope":{"payloadType":"x","signatures":[{"publicKey":"` + pemKey + `","sig":"` + b64([]byte(sig)) + `"}]},"hash":` + hash + `,"payloadHash":` + hash + `}}}`,
	}
}

func TestParseBody(t *testing.T) {
	for name, raw := range bodies(t) {
		b, err := ParseBody([]byte(raw))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b.Kind+" "+b.Version != name || len(b.Signatures) != 1 {
			t.Errorf("%s: %+v", name, b)
		}
		if _, err := b.Signatures[0].Verifier.Key(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		isHashedRekord := b.Kind == KindHashedRekord
		if (b.Data.Value != nil) != isHashedRekord || (b.PayloadHash.Value != nil) == isHashedRekord {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

func TestParseBodyRefuses(t *testing.T) {
	all := bodies(t)
	for name, raw := range all {
		for i := range raw {
			if _, err := ParseBody([]byte(raw[:i])); err == nil {
				t.Errorf("%s: the first %d bytes parse", name, i)
			}
		}
		for old, new := range map[string]string{
			`"spec":{`:          `"spec":{"x":1,`,
			`{"apiVersion"`:     `{"kind":"x","apiVersion"`,
			`"sha256"`:          `"md5"`,
			`"SHA2_256"`:        `"SHA2_512"`,
			`"value":"ab`:       `"value":"`,
			`"value":"abab`:     `"value":"zzzz`,
			`"content":"`:       `"content":"","x":"`,
			`"signature":"`:     `"signature":"","x":"`,
			`"signatures":[`:    `"signatures":[],"y":[`,
			`"publicKey":`:      `"publicKeys":`,
			`"verifier":"LS0t`:  `"verifier":"`,
			`"payloadType":"x"`: `"payloadType":null`,
		} {
			if !strings.Contains(raw, old) {
				continue
			}
			if b, err := ParseBody([]byte(strings.Replace(raw, old, new, 1))); err == nil {
				t.Errorf("%s with %s: %+v", name, new, b)
			}
		}
	}
	for _, raw := range []string{`{"apiVersion":"0.0.1","kind":"intoto","spec":{}}`, `{"apiVersion":"0.0.3","kind":"hashedrekord","spec":{}}`} {
		if _, err := ParseBody([]byte(raw)); !errors.Is(err, ErrKind) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	noDetails := strings.Replace(all["hashedrekord 0.0.2"], sigalg.ECDSAP256SHA256, "", 1)
	if b, err := ParseBody([]byte(noDetails)); err == nil {
		t.Errorf("without keyDetails: %+v", b)
	}
	noSignature := strings.Replace(all["dsse 0.0.1"], `"signatures":[`, `"signatures":[],"z":[`, 1)
	noSignature = noSignature[:strings.Index(noSignature, `,"z"`)] + "}}"
	if _, err := ParseBody([]byte(noSignature)); err == nil {
		t.Errorf("%s: parses", noSignature)
	}
	twoBlocks := append(mustDecode(t, all), mustDecode(t, all)...)
	if _, err := parsePEM(twoBlocks); err == nil {
		t.Error("two PEM blocks are one verifier")
	}
}

func mustDecode(t *testing.T, all map[string]string) []byte {
	t.Helper()
	_, rest, _ := strings.Cut(all["dsse 0.0.1"], `"verifier":"`)
	text, _, _ := strings.Cut(rest, `"`)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func FuzzParseBody(f *testing.F) {
	for _, raw := range bodies(f) {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := ParseBody(raw)
		if err == nil && len(b.Signatures) == 0 {
			t.Errorf("%s has no signature", raw)
		}
		if same, wrong := parseBody(raw); (err == nil) != (wrong == nil) || !reflect.DeepEqual(b, same) {
			t.Errorf("%s is %+v, %v; and, as any kind, %+v, %v", raw, b, err, same, wrong)
		}
	})
}

// TestParseCanonicalBody checks that the single-pass parser and the parser of all kinds read a
// body as logs write it alike, and agree with any byte changed, removed or doubled.
func TestParseCanonicalBody(t *testing.T) {
	for name, verifier := range map[string]Verifier{
		"certificate": {Certificate: []byte("DER"), KeyDetails: sigalg.ECDSAP256SHA256},
		"key":         {PublicKey: []byte("DER of a key"), KeyDetails: sigalg.ECDSAP256SHA256},
	} {
		h := HashedRekord{Digest: make([]byte, 32), Signature: []byte("a signature"), Verifier: verifier}
		raw, err := h.Body()
		if err != nil {
			t.Fatal(err)
		}
		same := jsontext.Value(bytes.Clone(raw))
		if err := same.Canonicalize(); err != nil || !bytes.Equal(same, raw) {
			t.Errorf("%s: %s is not canonical: %s, %v", name, raw, same, err)
		}
		b, ok := canonicalHashedRekord(raw)
		if want, err := parseBody(raw); !ok || err != nil || !reflect.DeepEqual(b, want) {
			t.Fatalf("%s: %t, %+v; want %+v, %v", name, ok, b, want, err)
		}
		for i := range raw {
			for _, changed := range [][]byte{
				append(append(bytes.Clone(raw[:i]), raw[i]^1), raw[i+1:]...),
				append(bytes.Clone(raw[:i]), raw[i+1:]...),
				append(append(bytes.Clone(raw[:i]), raw[i]), raw[i:]...),
				append(append(bytes.Clone(raw[:i]), '\n'), raw[i:]...),
			} {
				got, err := ParseBody(changed)
				if want, wrong := parseBody(changed); (err == nil) != (wrong == nil) || !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %s is %+v, %v; and, as any kind, %+v, %v", name, changed, got, err, want, wrong)
				}
			}
		}
	}
}

func BenchmarkParseBody(b *testing.B) {
	raw, err := HashedRekord{
		Digest: make([]byte, 32), Signature: make([]byte, 71),
		Verifier: Verifier{Certificate: make([]byte, 600), KeyDetails: sigalg.ECDSAP256SHA256},
	}.Body()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := ParseBody(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	raw, err := exampleEntry().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := ParseEntry(raw)
		if err != nil {
			return
		}
		again, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseEntry(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}

func BenchmarkMarshalEntry(b *testing.B) {
	e := exampleEntry()
	e.Proof.Hashes = make([]tlog.Hash, 20)
	e.CanonicalizedBody = make([]byte, 500)
	for b.Loop() {
		if _, err := e.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}
