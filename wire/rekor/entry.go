package rekor

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/encoding/protojson"

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

// Entry is an entry of a log with what proves that it is there.
type Entry struct {
	LogIndex             uint64 // of the whole log; Rekor v1 counts its shards on, Proof does not
	LogID                []byte // 32 bytes, see checkpoint.LogID
	Kind, Version        string
	IntegratedTime       time.Time // claimed: counts only once VerifySET accepts it; zero: absent, as always in Rekor v2
	SignedEntryTimestamp []byte    // Rekor v1 only, see VerifySET
	Proof                *Proof    // nil: absent, as in bundles of v0.1
	CanonicalizedBody    []byte    // the leaf, see ParseBody
}

// Proof is an inclusion proof and the checkpoint that it leads to. Root is what
// the proof claims; the checkpoint's is what counts.
type Proof struct {
	tile.InclusionProof
	Root       tlog.Hash
	Checkpoint []byte // signed note, see checkpoint.Open; empty: absent
}

// ParseEntry parses a TransparencyLogEntry in protobuf JSON, as a log answers it.
func ParseEntry(json []byte) (Entry, error) {
	if len(json) > maxEntry {
		return Entry{}, fmt.Errorf("parsing log entry: longer than %d bytes", maxEntry)
	}
	var pb rekorpb.TransparencyLogEntry
	if err := protojson.Unmarshal(json, &pb); err != nil {
		return Entry{}, fmt.Errorf("parsing log entry: %w", err)
	}
	return EntryFromProto(&pb)
}

// EntryFromProto checks and converts a TransparencyLogEntry. It refuses
// negative and absurd numbers and hashes of another length than 32. It verifies
// nothing.
func EntryFromProto(pb *rekorpb.TransparencyLogEntry) (Entry, error) {
	e, err := entryFromProto(pb)
	if err != nil {
		return Entry{}, fmt.Errorf("parsing log entry: %w", err)
	}
	return e, nil
}

func entryFromProto(pb *rekorpb.TransparencyLogEntry) (Entry, error) {
	if pb == nil {
		return Entry{}, errors.New("missing")
	}
	if pb.LogIndex < 0 || pb.LogIndex > tile.MaxSize {
		return Entry{}, fmt.Errorf("logIndex %d", pb.LogIndex)
	}
	if len(pb.GetLogId().GetKeyId()) != logIDSize {
		return Entry{}, fmt.Errorf("logId of %d bytes, want %d", len(pb.GetLogId().GetKeyId()), logIDSize)
	}
	e := Entry{
		LogIndex:             uint64(pb.LogIndex),
		LogID:                pb.LogId.KeyId,
		Kind:                 pb.GetKindVersion().GetKind(),
		Version:              pb.GetKindVersion().GetVersion(),
		SignedEntryTimestamp: pb.GetInclusionPromise().GetSignedEntryTimestamp(),
		CanonicalizedBody:    pb.CanonicalizedBody,
	}
	if pb.IntegratedTime < 0 || pb.IntegratedTime > maxTime {
		return Entry{}, fmt.Errorf("integratedTime %d", pb.IntegratedTime)
	}
	if pb.IntegratedTime > 0 {
		e.IntegratedTime = time.Unix(pb.IntegratedTime, 0).UTC()
	}
	if pb.InclusionProof == nil {
		return e, nil
	}
	var err error
	if e.Proof, err = proofFromProto(pb.InclusionProof); err != nil {
		return Entry{}, fmt.Errorf("inclusion proof: %w", err)
	}
	return e, nil
}

func proofFromProto(pb *rekorpb.InclusionProof) (*Proof, error) {
	if pb.LogIndex < 0 || pb.TreeSize > tile.MaxSize || pb.LogIndex >= pb.TreeSize {
		return nil, fmt.Errorf("leaf %d of %d", pb.LogIndex, pb.TreeSize)
	}
	if len(pb.Hashes) > 64 {
		return nil, fmt.Errorf("%d hashes", len(pb.Hashes))
	}
	root, err := hash(pb.RootHash)
	if err != nil {
		return nil, err
	}
	p := &Proof{Root: root, Checkpoint: []byte(pb.GetCheckpoint().GetEnvelope())}
	p.Index, p.Size = uint64(pb.LogIndex), uint64(pb.TreeSize)
	for _, raw := range pb.Hashes {
		h, err := hash(raw)
		if err != nil {
			return nil, err
		}
		p.Hashes = append(p.Hashes, h)
	}
	return p, nil
}

func hash(raw []byte) (tlog.Hash, error) {
	if len(raw) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("hash of %d bytes", len(raw))
	}
	return tlog.Hash(raw), nil
}

// Proto is the inverse of EntryFromProto.
func (e Entry) Proto() *rekorpb.TransparencyLogEntry {
	pb := &rekorpb.TransparencyLogEntry{
		LogIndex:          int64(min(e.LogIndex, math.MaxInt64)),
		LogId:             &commonpb.LogId{KeyId: e.LogID},
		KindVersion:       &rekorpb.KindVersion{Kind: e.Kind, Version: e.Version},
		CanonicalizedBody: e.CanonicalizedBody,
	}
	if !e.IntegratedTime.IsZero() {
		pb.IntegratedTime = e.IntegratedTime.Unix()
	}
	if e.SignedEntryTimestamp != nil {
		pb.InclusionPromise = &rekorpb.InclusionPromise{SignedEntryTimestamp: e.SignedEntryTimestamp}
	}
	if e.Proof != nil {
		pb.InclusionProof = e.Proof.proto()
	}
	return pb
}

func (p *Proof) proto() *rekorpb.InclusionProof {
	pb := &rekorpb.InclusionProof{
		LogIndex: int64(min(p.Index, math.MaxInt64)),
		TreeSize: int64(min(p.Size, math.MaxInt64)),
		RootHash: p.Root[:],
	}
	if len(p.Checkpoint) > 0 {
		pb.Checkpoint = &rekorpb.Checkpoint{Envelope: string(p.Checkpoint)}
	}
	for _, h := range p.Hashes {
		pb.Hashes = append(pb.Hashes, h[:])
	}
	return pb
}

// VerifySET verifies the signed entry timestamp of a Rekor v1 entry: the log's
// promise, over canonical JSON, that it has the entry since IntegratedTime.
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

// promise is what a signed entry timestamp signs.
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
