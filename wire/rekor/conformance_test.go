// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

const conformance = "../../../shared/conformance"

// A testEntry is an entry of a conformance bundle, and the keys of its logs.
type testEntry struct {
	name  string
	entry Entry
	keys  []crypto.PublicKey
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

func logKeys(t testing.TB, path string) []crypto.PublicKey {
	t.Helper()
	var root struct {
		Tlogs []struct {
			PublicKey struct{ RawBytes []byte }
		}
	}
	readJSON(t, path, &root)
	var keys []crypto.PublicKey
	for _, tlog := range root.Tlogs {
		key, err := x509.ParsePKIXPublicKey(tlog.PublicKey.RawBytes)
		if err != nil {
			t.Log(err) // RSA keys of test logs, in PKCS #1
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

// conformanceEntries returns the log entries of all bundles that are to be accepted.
func conformanceEntries(t testing.TB) []testEntry {
	t.Helper()
	bundles, err := filepath.Glob(filepath.Join(conformance, "bundle-verify/*/bundle.sigstore.json"))
	if err != nil || len(bundles) == 0 {
		t.Skip("no conformance data at ", conformance)
	}
	var entries []testEntry
	for _, path := range bundles {
		dir := filepath.Dir(path)
		if strings.HasSuffix(dir, "_fail") {
			continue
		}
		root := filepath.Join(dir, "trusted_root.json")
		if _, err := os.Stat(root); err != nil {
			root = filepath.Join(conformance, "public-good/trusted_root.json")
		}
		var bundle struct {
			VerificationMaterial struct{ TlogEntries []json.RawMessage }
		}
		readJSON(t, path, &bundle)
		for _, raw := range bundle.VerificationMaterial.TlogEntries {
			e, err := ParseEntry(raw)
			if err != nil {
				t.Fatalf("%s: %v", dir, err)
			}
			entries = append(entries, testEntry{filepath.Base(dir), e, logKeys(t, root)})
		}
	}
	return entries
}

func TestConformance(t *testing.T) {
	kinds := make(map[string]int)
	for _, c := range conformanceEntries(t) {
		b, err := ParseBody(c.entry.CanonicalizedBody)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if b.Kind != c.entry.Kind || b.Version != c.entry.Version {
			t.Errorf("%s: body is %s %s, entry %s %s", c.name, b.Kind, b.Version, c.entry.Kind, c.entry.Version)
		}
		kinds[b.Kind+" "+b.Version]++
		if c.entry.Proof != nil {
			if err := c.entry.Proof.Verify(c.entry.Proof.Root, tile.LeafHash(c.entry.CanonicalizedBody)); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if b.Kind == KindHashedRekord && b.Version == VersionHashedRekord {
			sameAgain(t, c, b)
		}
		if c.entry.SignedEntryTimestamp != nil && !setVerifies(c.entry, c.keys) {
			t.Errorf("%s: signed entry timestamp does not verify", c.name)
		}
		roundTrip(t, c)
	}
	if len(kinds) < 4 {
		t.Errorf("only these kinds were seen: %v", kinds)
	}
}

// sameAgain makes a hashedrekord 0.0.2 from a parsed body.
func sameAgain(t *testing.T, c testEntry, b Body) {
	t.Helper()
	h := HashedRekord{Digest: b.Data.Value, Signature: b.Signatures[0].Content, Verifier: b.Signatures[0].Verifier}
	if err := h.Verify(); err != nil {
		t.Errorf("%s: %v", c.name, err)
	}
	body, err := h.Body()
	if err != nil || !bytes.Equal(body, c.entry.CanonicalizedBody) {
		t.Errorf("%s: made anew, %v:\n%s\nwant:\n%s", c.name, err, body, c.entry.CanonicalizedBody)
	}
}

func setVerifies(e Entry, keys []crypto.PublicKey) bool {
	for _, key := range keys {
		if VerifySET(e, key) == nil {
			return true
		}
	}
	return false
}

func roundTrip(t *testing.T, c testEntry) {
	t.Helper()
	raw, err := c.entry.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseEntry(raw)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	twice, err := again.Marshal()
	if err != nil || !bytes.Equal(raw, twice) {
		t.Errorf("%s: %v\n%s\n%s", c.name, err, raw, twice)
	}
}
