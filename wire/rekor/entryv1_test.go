// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

func hexes[T ~[32]byte](all []T) []string {
	out := []string{}
	for _, h := range all {
		out = append(out, hex.EncodeToString(h[:]))
	}
	return out
}

// answer returns the response of Rekor v1's API for an entry.
func answer(t testing.TB, e Entry) string {
	t.Helper()
	verification := map[string]any{"signedEntryTimestamp": e.SignedEntryTimestamp}
	if e.Proof != nil {
		verification["inclusionProof"] = map[string]any{
			"checkpoint": string(e.Proof.Checkpoint), "hashes": hexes(e.Proof.Hashes), "logIndex": e.Proof.Index,
			"rootHash": hex.EncodeToString(e.Proof.Root[:]), "treeSize": e.Proof.Size,
		}
	}
	leaf := tile.LeafHash(e.CanonicalizedBody)
	raw, err := json.Marshal(map[string]any{"24296fb24b8ad77a" + hex.EncodeToString(leaf[:]): map[string]any{
		"body": e.CanonicalizedBody, "integratedTime": e.IntegratedTime.Unix(), "logID": hex.EncodeToString(e.LogID),
		"logIndex": e.LogIndex, "verification": verification,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// kept returns the part of a response that cosign 1 and 2 store.
func kept(e Entry) string {
	return fmt.Sprintf(`{"SignedEntryTimestamp":"%s","Payload":{"body":"%s","integratedTime":%d,"logIndex":%d,"logID":"%x"}}`,
		b64(e.SignedEntryTimestamp), b64(e.CanonicalizedBody), e.IntegratedTime.Unix(), e.LogIndex, e.LogID)
}

// exampleV1 returns an entry of Rekor v1 with all members.
func exampleV1(t testing.TB) Entry {
	e := exampleEntry()
	e.Kind, e.Version = "hashedrekord", "0.0.1"
	e.CanonicalizedBody = []byte(bodies(t)["hashedrekord 0.0.1"])
	e.IntegratedTime = time.Unix(1675209600, 0).UTC()
	e.SignedEntryTimestamp, e.LogIndex = []byte{1, 2, 3}, 4288993
	return e
}

func TestParseEntryV1(t *testing.T) {
	want := exampleV1(t)
	got, err := ParseEntryV1([]byte(answer(t, want)))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("answer: got %+v, %v", got, err)
	}
	intoto := strings.Replace(answer(t, want), `"body"`, `"attestation":{"data":"e30="},"body"`, 1)
	if got, err := ParseEntryV1([]byte(intoto)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("with attestation: got %+v, %v", got, err)
	}
	want.Proof = nil
	for _, text := range []string{kept(want), answer(t, want)} {
		if got, err := ParseEntryV1([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("without proof: got %+v, %v", got, err)
		}
	}
}

// TestParseEntryV1Conformance checks that entries signed by the public log are read alike in
// all three forms.
func TestParseEntryV1Conformance(t *testing.T) {
	read := 0
	for _, c := range conformanceEntries(t) {
		if len(c.entry.SignedEntryTimestamp) == 0 {
			continue
		}
		read++
		got, err := ParseEntryV1([]byte(answer(t, c.entry)))
		if err != nil || !reflect.DeepEqual(got, c.entry) {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
		got, err = ParseEntryV1([]byte(kept(c.entry)))
		if err != nil || !setVerifies(got, c.keys) {
			t.Errorf("%s, kept: %v", c.name, err)
		}
	}
	if read == 0 {
		t.Error("no entry of Rekor v1")
	}
}

func TestParseEntryV1Refuses(t *testing.T) {
	example := exampleV1(t)
	whole, short := answer(t, example), kept(example)
	for name, c := range map[string]struct{ from, old, new string }{
		"trailing data":       {whole, "}}}", "}}} {}"},
		"doubled member":      {whole, `"body"`, `"body":"","body"`},
		"doubled entry":       {whole, "", ""},
		"unknown member":      {whole, `"body"`, `"x":1,"body"`},
		"other case":          {whole, `"logIndex"`, `"LogIndex"`},
		"unknown below":       {whole, `"checkpoint"`, `"x":1,"checkpoint"`},
		"another's UUID":      {whole, `{"24296fb24b8ad77a`, `{"24296fb24b8ad77a00000000`},
		"another leaf":        {whole, `":{"body"`, `0":{"body"`},
		"another body":        {whole, `"body":"eyJ`, `"body":"eyB`},
		"no body":             {short, b64(example.CanonicalizedBody), ""},
		"logID is not hex":    {whole, `"logID":"00`, `"logID":"0x`},
		"short logID":         {short, `"logID":"00`, `"logID":"`},
		"negative index":      {short, `4288993`, `-1`},
		"index of 2^63":       {short, `4288993`, `9223372036854775808`},
		"index as a string":   {short, `4288993`, `"4288993"`},
		"index with fraction": {short, `4288993`, `4288993.5`},
		"index beyond a tree": {short, `4288993`, `9223372036854775807`},
		"negative time":       {short, `"integratedTime":`, `"integratedTime":-`},
		"root is not hex":     {whole, `"rootHash":"02`, `"rootHash":"0g`},
		"short root":          {whole, `"rootHash":"02`, `"rootHash":"`},
		"hash is not hex":     {whole, `"hashes":["01`, `"hashes":["0g`},
		"leaf out of tree":    {whole, `"treeSize":2`, `"treeSize":0`},
		"two spellings":       {short, `"SignedEntryTimestamp":"AQID"`, `"SignedEntryTimestamp":"AR=="`},
		"unknown in payload":  {short, `"body"`, `"x":1,"body"`},
		"unknown beside":      {short, `"Payload"`, `"x":1,"Payload"`},
		"both forms":          {short, `"Payload"`, whole[1:len(whole)-1] + `,"Payload"`},
		"no entry":            {`{} `, ` `, ``},
		"null":                {`{} `, `{} `, `null`},
		"list":                {whole, `{"24`, `[{"24`},
	} {
		text := strings.Replace(c.from, c.old, c.new, 1)
		if name == "doubled entry" {
			text = whole[:len(whole)-1] + "," + whole[1:]
		}
		if text == c.from {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		if got, err := ParseEntryV1([]byte(text)); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
	e := exampleV1(t)
	e.CanonicalizedBody = []byte(`{"apiVersion":"0.0.1","kind":"rpm","spec":{}}`)
	if _, err := ParseEntryV1([]byte(answer(t, e))); !errors.Is(err, ErrKind) {
		t.Errorf("another kind: got %v, want ErrKind", err)
	}
}

func FuzzParseEntryV1(f *testing.F) {
	f.Add([]byte(answer(f, exampleV1(f))))
	f.Add([]byte(kept(exampleV1(f))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := ParseEntryV1(raw)
		if err != nil {
			return
		}
		// A parsed entry is read back unchanged after writing it.
		again, err := ParseEntryV1([]byte(answer(t, e)))
		if err != nil && !e.IntegratedTime.IsZero() || err == nil && again.Kind != e.Kind {
			t.Fatalf("%+v: %v", again, err)
		}
	})
}
