// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/protojson"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

const (
	// maxEntry bounds a TransparencyLogEntry in JSON, in bytes.
	maxEntry = 32 << 20

	// maxTime is the end of the year 9999 in seconds since 1970: the last
	// second that RFC 3339 can write.
	maxTime = 253402300799

	logIDSize = 32
)

// An Entry is an entry of a log with the proof of its inclusion.
type Entry struct {
	LogIndex             uint64 // of the whole log; Rekor v1 counts over all shards, unlike Proof
	LogID                []byte // 32 bytes, see checkpoint.LogID
	Kind, Version        string
	IntegratedTime       time.Time // claimed: counts only once VerifySET accepts it; zero: absent, as always in Rekor v2
	SignedEntryTimestamp []byte    // Rekor v1 only, see VerifySET
	Proof                *Proof    // nil: absent, as in bundles of v0.1
	CanonicalizedBody    []byte    // the leaf, see ParseBody
}

// A Proof is an inclusion proof and the checkpoint that it leads to. Root is the claimed root;
// only the checkpoint's root counts.
type Proof struct {
	tile.InclusionProof
	Root       tlog.Hash
	Checkpoint []byte // signed note, see checkpoint.Open; empty: absent
}

// ParseEntry parses a TransparencyLogEntry in protobuf JSON, as in a log's response.
func ParseEntry(json []byte) (Entry, error) {
	if len(json) > maxEntry {
		return Entry{}, fmt.Errorf("parsing log entry: longer than %d bytes", maxEntry)
	}
	var m TransparencyLogEntry
	if err := protojson.Unmarshal(json, &m); err != nil {
		return Entry{}, fmt.Errorf("parsing log entry: %w", err)
	}
	return m.Entry()
}

// Marshal returns the JSON that ParseEntry reads. It writes default values, because some
// clients look for a "logIndex":"0".
func (e Entry) Marshal() ([]byte, error) {
	raw, err := protojson.MarshalAll(e.Message())
	if err != nil {
		return nil, fmt.Errorf("marshalling log entry: %w", err)
	}
	return raw, nil
}

// VerifySET verifies the signed entry timestamp of a Rekor v1 entry: the log's promise, over
// canonical JSON, that it has had the entry since IntegratedTime.
//
//	{"body":"<base64>","integratedTime":1675209600,"logID":"<hex>","logIndex":4288993}
func VerifySET(e Entry, key crypto.PublicKey) error {
	if len(e.SignedEntryTimestamp) == 0 || e.IntegratedTime.IsZero() {
		return errors.New("verifying signed entry timestamp: there is none")
	}
	alg, err := sigalg.ForKey(key)
	if err != nil {
		return fmt.Errorf("verifying signed entry timestamp: %w", err)
	}
	if err := alg.Verify(key, e.promise(), e.SignedEntryTimestamp); err != nil {
		return fmt.Errorf("verifying signed entry timestamp: %w", err)
	}
	return nil
}

// promise returns the signed content of a signed entry timestamp (SET).
func (e Entry) promise() []byte {
	b := make([]byte, 0, base64.StdEncoding.EncodedLen(len(e.CanonicalizedBody))+256)
	b = append(b, `{"body":"`...)
	b = base64.StdEncoding.AppendEncode(b, e.CanonicalizedBody)
	b = append(b, `","integratedTime":`...)
	b = strconv.AppendInt(b, e.IntegratedTime.Unix(), 10)
	b = append(b, `,"logID":"`...)
	b = hex.AppendEncode(b, e.LogID)
	b = append(b, `","logIndex":`...)
	b = strconv.AppendUint(b, e.LogIndex, 10)
	return append(b, '}')
}
