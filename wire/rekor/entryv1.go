// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/wire/protojson"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// A leafInV1 is the part of an entry that Rekor v1 signs, see VerifySET.
type leafInV1 struct {
	Body           []byte `json:"body"`
	IntegratedTime int64  `json:"integratedTime"`
	LogID          string `json:"logID"` // hex
	LogIndex       int64  `json:"logIndex"`
}

// An answerV1 is LogEntry of Rekor v1's openapi.yaml.
type answerV1 struct {
	leafInV1
	Attestation  jsontext.Value `json:"attestation"` // the payload of an intoto entry: the bundle has its own
	Verification struct {
		InclusionProof       *proofV1 `json:"inclusionProof"`
		SignedEntryTimestamp []byte   `json:"signedEntryTimestamp"`
	} `json:"verification"`
}

// A proofV1 is InclusionProof of openapi.yaml.
type proofV1 struct {
	Checkpoint string   `json:"checkpoint"`
	Hashes     []string `json:"hashes"` // hex
	LogIndex   int64    `json:"logIndex"`
	RootHash   string   `json:"rootHash"` // hex
	TreeSize   int64    `json:"treeSize"`
}

// A bundleV1 is the part of a response that cosign 1 and 2 store.
type bundleV1 struct {
	SignedEntryTimestamp []byte
	Payload              leafInV1
}

// ParseEntryV1 parses an entry of Rekor v1, either as in its API's response, under its UUID:
//
//	{"24296fb24b8ad77a…":{"body":"eyJ…","integratedTime":1675209600,"logID":"c0d23d6a…","logIndex":4288993,
//	  "verification":{"inclusionProof":{"checkpoint":"rekor.sigstore.dev - 26…","hashes":["c5d4…"],"logIndex":125562,
//	    "rootHash":"75ab…","treeSize":125563},"signedEntryTimestamp":"MEUC…"}}}
//
// or as cosign 1 and 2 store it, without proof:
//
//	{"SignedEntryTimestamp":"MEUC…","Payload":{"body":"eyJ…","integratedTime":1675209600,"logIndex":4288993,"logID":"c0d23d6a…"}}
//
// Neither form has kind and version; these are the body's. ParseEntryV1 only verifies that the
// UUID is the entry's. Errors: ErrKind as ParseBody.
func ParseEntryV1(raw []byte) (Entry, error) {
	e, err := parseEntryV1(raw)
	if err != nil {
		return Entry{}, fmt.Errorf("parsing log entry: %w", err)
	}
	return e, nil
}

func parseEntryV1(raw []byte) (Entry, error) {
	if len(raw) > maxEntry {
		return Entry{}, fmt.Errorf("longer than %d bytes", maxEntry)
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return Entry{}, err
	}
	if _, ok := members["Payload"]; ok {
		var b bundleV1
		if err := strictV1(raw, &b); err != nil {
			return Entry{}, err
		}
		return b.Payload.entry(b.SignedEntryTimestamp, nil)
	}
	for uuid, value := range members {
		if len(members) == 1 {
			return entryOfAnswer(uuid, value)
		}
	}
	return Entry{}, fmt.Errorf("%d entries, want 1", len(members))
}

// strictV1 decodes with strict base64, because this JSON is not signed.
func strictV1(raw []byte, v any) error {
	return json.Unmarshal(raw, v, json.RejectUnknownMembers(true), json.WithUnmarshalers(json.UnmarshalFunc(unmarshalBase64)))
}

// entryOfAnswer reads the entry of a response. Its UUID is the leaf hash in 64 digits,
// preceded by 16 digits of the tree if the log has shards.
func entryOfAnswer(uuid string, raw []byte) (Entry, error) {
	var a answerV1
	if err := strictV1(raw, &a); err != nil {
		return Entry{}, err
	}
	leaf := tile.LeafHash(a.Body)
	if !strings.HasSuffix(uuid, hex.EncodeToString(leaf[:])) || len(uuid) != 64 && len(uuid) != 16+64 {
		return Entry{}, fmt.Errorf("UUID %.80q is not the entry's", uuid)
	}
	var proof *inclusionProof
	if a.Verification.InclusionProof != nil {
		var err error
		if proof, err = a.Verification.InclusionProof.message(); err != nil {
			return Entry{}, fmt.Errorf("inclusion proof: %w", err)
		}
	}
	return a.entry(a.Verification.SignedEntryTimestamp, proof)
}

// entry checks the entry as [TransparencyLogEntry.Entry] does.
func (l leafInV1) entry(promise []byte, proof *inclusionProof) (Entry, error) {
	id, err := hex.DecodeString(l.LogID)
	if err != nil {
		return Entry{}, fmt.Errorf("logID: %w", err)
	}
	body, err := ParseBody(l.Body)
	if err != nil {
		return Entry{}, err
	}
	m := &TransparencyLogEntry{
		logIndex:       protojson.Int64(l.LogIndex),
		logID:          &logID{id},
		kindVersion:    &kindVersion{protojson.String(body.Kind), protojson.String(body.Version)},
		integratedTime: protojson.Int64(l.IntegratedTime),
		body:           l.Body,
		inclusionProof: proof,
	}
	if len(promise) > 0 {
		m.inclusionPromise = &inclusionPromise{promise}
	}
	return m.entry()
}

func (p *proofV1) message() (*inclusionProof, error) {
	root, err := hex.DecodeString(p.RootHash)
	if err != nil {
		return nil, fmt.Errorf("rootHash: %w", err)
	}
	m := &inclusionProof{logIndex: protojson.Int64(p.LogIndex), rootHash: root, treeSize: protojson.Int64(p.TreeSize)}
	for _, text := range p.Hashes {
		h, err := hex.DecodeString(text)
		if err != nil {
			return nil, errors.New("hashes are not hex")
		}
		m.hashes = append(m.hashes, h)
	}
	if p.Checkpoint != "" {
		m.checkpoint = &checkpoint{protojson.String(p.Checkpoint)}
	}
	return m, nil
}
