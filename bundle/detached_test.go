// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

func b64(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// publicKey is a P-256 key in DER.
const publicKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQtgrFXEyw3TvHswY33a4NGzqD1d3swRg4N4adsgeWNoh9PPOIxFclvcmZt3GU0WHwJFz0vwMJI9RyPq8urc56A=="

// entryV1 returns an entry of Rekor v1.
func entryV1() rekor.Entry {
	body := fmt.Sprintf(`{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"%064x"}},`+
		`"signature":{"content":"AQID","publicKey":{"content":"%s"}}}}`, 7, b64(pemOf("CERTIFICATE", []byte{0x30, 0})))
	return rekor.Entry{LogID: make([]byte, 32), LogIndex: 9, SignedEntryTimestamp: []byte{4, 5, 6}, CanonicalizedBody: []byte(body)}
}

// keptEntry returns an entry in the form that cosign stores. answeredEntry returns it in the
// form of the log's response.
func keptEntry(e rekor.Entry) []byte {
	return fmt.Appendf(nil, `{"SignedEntryTimestamp":"%s","Payload":{"body":"%s","integratedTime":%d,"logIndex":%d,"logID":"%x"}}`,
		b64(e.SignedEntryTimestamp), b64(e.CanonicalizedBody), max(e.IntegratedTime.Unix(), 0), e.LogIndex, e.LogID)
}

func answeredEntry(e rekor.Entry) []byte {
	proof := ""
	if p := e.Proof; p != nil {
		var hashes []string
		for _, h := range p.Hashes {
			hashes = append(hashes, `"`+hex.EncodeToString(h[:])+`"`)
		}
		proof = fmt.Sprintf(`"inclusionProof":{"checkpoint":"%s","hashes":[%s],"logIndex":%d,"rootHash":"%x","treeSize":%d},`,
			strings.ReplaceAll(string(p.Checkpoint), "\n", `\n`), strings.Join(hashes, ","), p.Index, p.Root[:], p.Size)
	}
	leaf := tile.LeafHash(e.CanonicalizedBody)
	return fmt.Appendf(nil, `{"%x":{"body":"%s","integratedTime":%d,"logID":"%x","logIndex":%d,"verification":{%s"signedEntryTimestamp":"%s"}}}`,
		leaf[:], b64(e.CanonicalizedBody), max(e.IntegratedTime.Unix(), 0), e.LogID, e.LogIndex, proof, b64(e.SignedEntryTimestamp))
}

func legacyFile(signature, cert string, entry []byte) []byte {
	return fmt.Appendf(nil, `{"base64Signature":"%s","cert":"%s","rekorBundle":%s}`, signature, cert, entry)
}

// whole returns a signature with every part, each in its simplest encoding.
func whole() bundle.Detached {
	return bundle.Detached{
		Signature: []byte{1, 2, 3}, Certificate: pemOf("CERTIFICATE", []byte{0x30, 0}),
		Chain:    append(pemOf("CERTIFICATE", []byte{0x30, 1}), pemOf("CERTIFICATE", []byte{0x30, 2})...),
		LogEntry: keptEntry(entryV1()), Timestamp: []byte{0x30, 0},
	}
}

// TestFromDetached checks that every encoding of every part results in the same bundle.
func TestFromDetached(t *testing.T) {
	want, err := bundle.FromDetached(whole())
	if err != nil {
		t.Fatal(err)
	}
	entry := entryV1()
	entry.Kind, entry.Version = "hashedrekord", "0.0.1"
	if want.Version != bundle.V01 || len(want.Certificates) != 3 || !reflect.DeepEqual(want.Entries, []rekor.Entry{entry}) ||
		!bytes.Equal(want.Signature(), []byte{1, 2, 3}) || len(want.Timestamps) != 1 || want.KeyHint != "" {
		t.Errorf("got %+v", want)
	}
	for name, spell := range map[string]func(*bundle.Detached){
		"base64":            func(d *bundle.Detached) { d.Signature = []byte("AQID") },
		"base64 and a line": func(d *bundle.Detached) { d.Signature = []byte("AQID\r\n") },
		"base64 of PEM":     func(d *bundle.Detached) { d.Certificate = []byte(b64(d.Certificate) + "\n") },
		"spaces around PEM": func(d *bundle.Detached) { d.Certificate = append([]byte(" \n"), d.Certificate...) },
		"log's response":    func(d *bundle.Detached) { d.LogEntry = answeredEntry(entryV1()) },
		"timestamp in JSON": func(d *bundle.Detached) { d.Timestamp = []byte(`{"SignedRFC3161Timestamp":"MAA="}`) },
	} {
		d := whole()
		spell(&d)
		if got, err := bundle.FromDetached(d); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	d := whole()
	d.Chain, d.Timestamp = nil, nil
	want, err = bundle.FromDetached(d)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"one file":           legacyFile("AQID", b64(d.Certificate), d.LogEntry),
		"other order":        fmt.Appendf(nil, "\n{\"rekorBundle\":%s,\"cert\":\"%s\",\"base64Signature\":\"AQID\"}\n", d.LogEntry, b64(d.Certificate)),
		"PEM as it is":       legacyFile("AQID", strings.ReplaceAll(string(d.Certificate), "\n", `\n`), d.LogEntry),
		"signature, escaped": legacyFile(`\u0041QID`, b64(d.Certificate), d.LogEntry),
	} {
		if got, err := bundle.Parse(raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// TestFromDetachedKeysAndEnvelopes checks that a key becomes a hint, and that a signature may
// be an envelope.
func TestFromDetachedKeysAndEnvelopes(t *testing.T) {
	der, err := base64.StdEncoding.DecodeString(publicKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	keyed, err := bundle.FromDetached(bundle.Detached{Signature: []byte("AQID"), Certificate: pemOf("PUBLIC KEY", der)})
	if err != nil || len(keyed.Certificates) != 0 || keyed.KeyHint != b64(sum[:]) {
		t.Errorf("got %+v, %v", keyed, err)
	}
	again, err := bundle.Parse(legacyFile("AQID", b64(pemOf("PUBLIC KEY", der)), []byte("null")))
	if err != nil || !reflect.DeepEqual(keyed, again) {
		t.Errorf("one file: got %+v, %v", again, err)
	}
	bare, err := bundle.Parse([]byte(`{"base64Signature":"AQID"}`))
	if err != nil || bare.KeyHint != "" || len(bare.Certificates)+len(bare.Entries) != 0 {
		t.Errorf("bare: got %+v, %v", bare, err)
	}
	envelope := `{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"","sig":"AQID"}]}`
	for _, signature := range []string{envelope, b64([]byte(envelope)), envelope + "\n"} {
		b, err := bundle.FromDetached(bundle.Detached{Signature: []byte(signature)})
		if err != nil || b.Message != nil || string(b.Envelope.Payload) != "{}" || !bytes.Equal(b.Signature(), []byte{1, 2, 3}) {
			t.Errorf("%s: got %+v, %v", signature, b, err)
		}
	}
	// A signature may begin as JSON does.
	if b, err := bundle.FromDetached(bundle.Detached{Signature: []byte{'{', 0xff, 0xfe}}); err != nil || b.Message == nil {
		t.Errorf("got %+v, %v", b, err)
	}
}

func TestFromDetachedRefuses(t *testing.T) {
	certificate, key := pemOf("CERTIFICATE", []byte{0x30, 0}), pemOf("PUBLIC KEY", []byte{0x30, 0})
	for name, spoil := range map[string]func(*bundle.Detached){
		"no signature":       func(d *bundle.Detached) { d.Signature = nil },
		"a line alone":       func(d *bundle.Detached) { d.Signature = []byte("\n") },
		"no envelope":        func(d *bundle.Detached) { d.Signature = []byte("{}") },
		"envelope and more":  func(d *bundle.Detached) { d.Signature = []byte(`{"payload":"","signatures":[{"sig":"AQID"}]} {}`) },
		"envelope's extras":  func(d *bundle.Detached) { d.Signature = []byte(`{"x":1,"payload":"","signatures":[{"sig":"AQID"}]}`) },
		"doubled signatures": func(d *bundle.Detached) { d.Signature = []byte(`{"signatures":[{"sig":"AQID","sig":"AQID"}]}`) },
		"two signatures":     func(d *bundle.Detached) { d.Signature = []byte(`{"signatures":[{"sig":"AQID"},{"sig":"AQID"}]}`) },
		"two certificates":   func(d *bundle.Detached) { d.Certificate = append(certificate, certificate...) },
		"text around":        func(d *bundle.Detached) { d.Certificate = append([]byte("subject: a\n"), certificate...) },
		"text after":         func(d *bundle.Detached) { d.Certificate = append(certificate, 'x') },
		"DER":                func(d *bundle.Detached) { d.Certificate = []byte{0x30, 0} },
		"headers": func(d *bundle.Detached) {
			d.Certificate = bytes.Replace(certificate, []byte("-\nMA"), []byte("-\na: b\n\nMA"), 1)
		},
		"another PEM":             func(d *bundle.Detached) { d.Certificate = pemOf("PRIVATE KEY", []byte{0x30, 0}) },
		"key that is none":        func(d *bundle.Detached) { d.Certificate = key },
		"broken PEM first":        func(d *bundle.Detached) { d.Chain = append([]byte("-----BEGIN X-----\nMAA\n"), certificate...) },
		"key in the chain":        func(d *bundle.Detached) { d.Chain = key },
		"long chain":              func(d *bundle.Detached) { d.Chain = bytes.Repeat(certificate, bundle.MaxCertificates) },
		"chain of spaces":         func(d *bundle.Detached) { d.Chain = []byte(" \n") },
		"chain without leaf":      func(d *bundle.Detached) { d.Certificate = nil },
		"no entry":                func(d *bundle.Detached) { d.LogEntry = []byte("{}") },
		"entry and more":          func(d *bundle.Detached) { d.LogEntry = append(d.LogEntry, '{') },
		"entry without promise":   func(d *bundle.Detached) { d.LogEntry = bytes.Replace(d.LogEntry, []byte("BAUG"), nil, 1) },
		"empty timestamp":         func(d *bundle.Detached) { d.Timestamp = []byte(`{"SignedRFC3161Timestamp":""}`) },
		"timestamp and more":      func(d *bundle.Detached) { d.Timestamp = []byte(`{"SignedRFC3161Timestamp":"MAA="}1`) },
		"timestamp's extras":      func(d *bundle.Detached) { d.Timestamp = []byte(`{"SignedRFC3161Timestamp":"MAA=","x":1}`) },
		"timestamp of other case": func(d *bundle.Detached) { d.Timestamp = []byte(`{"signedRFC3161Timestamp":"MAA="}`) },
		"many hashes": func(d *bundle.Detached) {
			d.LogEntry = bytes.Replace(d.LogEntry, []byte("{"), append(append([]byte(`{"x":[`), bytes.Repeat([]byte("1,"), 1<<20)...), "1],"...), 1)
		},
		"too large": func(d *bundle.Detached) { d.Timestamp = make([]byte, bundle.MaxSize) },
	} {
		d := whole()
		spoil(&d)
		if b, err := bundle.FromDetached(d); !errors.Is(err, bundle.ErrMalformed) {
			t.Errorf("%s: got %+v, %v, want ErrMalformed", name, b, err)
		}
	}
}

func TestLegacyRefusals(t *testing.T) {
	good := string(legacyFile("AQID", b64(pemOf("CERTIFICATE", []byte{0x30, 0})), keptEntry(entryV1())))
	for name, c := range map[string]struct{ old, new string }{
		"trailing data":      {`}}}`, `}}} {}`},
		"duplicate":          {`"cert"`, `"base64Signature":"AQIE","cert"`},
		"unknown member":     {`"cert"`, `"x":1,"cert"`},
		"other case":         {`"cert"`, `"Cert"`},
		"media type":         {`"cert"`, `"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","cert"`},
		"raw signature":      {`"AQID"`, `"\u0001\u0002"`},
		"empty signature":    {`"AQID"`, `""`},
		"null signature":     {`"AQID"`, `null`},
		"two spellings":      {`"AQID"`, `"AR=="`},
		"entry is a string":  {`{"Signed`, `"","x":{"Signed`},
		"duplicate in entry": {`"Payload"`, `"Payload":{},"Payload"`},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		refused(t, name, text)
	}
	refused(t, "a key that is none", string(legacyFile("AQID", b64(pemOf("PUBLIC KEY", []byte{0x30, 0})), keptEntry(entryV1()))))
}

// TestDetachedConformance checks that the parts of a bundle of the public instance, in each
// form, result in that bundle.
func TestDetachedConformance(t *testing.T) {
	conformance(t)
	raw, err := os.ReadFile("../../shared/conformance/bundle-verify/happy-path-v0.1/bundle.sigstore.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := bundle.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	signature, certificate := b64(want.Signature()), pemOf("CERTIFICATE", want.Certificates[0])
	want.Message.Hash, want.Message.Digest = 0, nil // no file has it
	got, err := bundle.FromDetached(bundle.Detached{
		Signature: []byte(signature), Certificate: []byte(b64(certificate)), LogEntry: answeredEntry(want.Entries[0]),
	})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("files: got %+v, %v", got, err)
	}
	want.Entries[0].Proof = nil // which cosign does not keep
	got, err = bundle.Parse(legacyFile(signature, b64(certificate), keptEntry(want.Entries[0])))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("one file: got %+v, %v", got, err)
	}
}

func FuzzFromDetached(f *testing.F) {
	d := whole()
	f.Add(d.Signature, d.Certificate, d.Chain, d.LogEntry, d.Timestamp)
	f.Add([]byte("AQID"), []byte(b64(d.Certificate)), []byte{}, answeredEntry(entryV1()), []byte(`{"SignedRFC3161Timestamp":"MAA="}`))
	f.Add([]byte(`{"payload":"e30=","signatures":[{"sig":"AQID"}]}`), []byte{}, []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, signature, certificate, chain, entry, timestamp []byte) {
		b, err := bundle.FromDetached(bundle.Detached{Signature: signature, Certificate: certificate, Chain: chain, LogEntry: entry, Timestamp: timestamp})
		if err != nil {
			if !errors.Is(err, bundle.ErrMalformed) {
				t.Fatalf("got %v, want ErrMalformed", err)
			}
			return
		}
		if (b.Message == nil) == (b.Envelope == nil) || len(b.Signature()) == 0 || b.Version != bundle.V01 {
			t.Fatalf("got %+v", b)
		}
	})
}
