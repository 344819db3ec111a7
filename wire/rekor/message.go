// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/protojson"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// A TransparencyLogEntry is the message of that name in a bundle
// (rekor/v1/sigstore_rekor.proto). [Entry] is its parsed form.
type TransparencyLogEntry struct {
	logIndex         protojson.Int64
	logID            *logID
	kindVersion      *kindVersion
	integratedTime   protojson.Int64
	inclusionPromise *inclusionPromise
	inclusionProof   *inclusionProof
	body             protojson.Bytes
}

type logID struct{ keyID protojson.Bytes }

type kindVersion struct{ kind, version protojson.String }

type inclusionPromise struct{ signedEntryTimestamp protojson.Bytes }

type inclusionProof struct {
	logIndex, treeSize protojson.Int64
	rootHash           protojson.Bytes
	hashes             protojson.BytesList
	checkpoint         *checkpoint
}

type checkpoint struct{ envelope protojson.String }

// Members implements [protojson.Message].
func (m *TransparencyLogEntry) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "logIndex", Value: &m.logIndex},
		{Name: "logId", Value: protojson.Optional(&m.logID)},
		{Name: "kindVersion", Value: protojson.Optional(&m.kindVersion)},
		{Name: "integratedTime", Value: &m.integratedTime},
		{Name: "inclusionPromise", Value: protojson.Optional(&m.inclusionPromise)},
		{Name: "inclusionProof", Value: protojson.Optional(&m.inclusionProof)},
		{Name: "canonicalizedBody", Value: &m.body},
	}
}

func (m *logID) Members() []protojson.Member {
	return []protojson.Member{{Name: "keyId", Value: &m.keyID}}
}

func (m *kindVersion) Members() []protojson.Member {
	return []protojson.Member{{Name: "kind", Value: &m.kind}, {Name: "version", Value: &m.version}}
}

func (m *inclusionPromise) Members() []protojson.Member {
	return []protojson.Member{{Name: "signedEntryTimestamp", Value: &m.signedEntryTimestamp}}
}

func (m *inclusionProof) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "logIndex", Value: &m.logIndex},
		{Name: "rootHash", Value: &m.rootHash},
		{Name: "treeSize", Value: &m.treeSize},
		{Name: "hashes", Value: &m.hashes},
		{Name: "checkpoint", Value: protojson.Optional(&m.checkpoint)},
	}
}

func (m *checkpoint) Members() []protojson.Member {
	return []protojson.Member{{Name: "envelope", Value: &m.envelope}}
}

// Entry checks and converts the message. It refuses negative and absurd numbers
// and hashes of another length than 32. It verifies nothing.
func (m *TransparencyLogEntry) Entry() (Entry, error) {
	e, err := m.entry()
	if err != nil {
		return Entry{}, fmt.Errorf("parsing log entry: %w", err)
	}
	return e, nil
}

func (m *TransparencyLogEntry) entry() (Entry, error) {
	if m.logIndex < 0 || m.logIndex > tile.MaxSize {
		return Entry{}, fmt.Errorf("logIndex %d", m.logIndex)
	}
	if m.logID == nil {
		return Entry{}, errors.New("no logId")
	}
	if n := len(m.logID.keyID); n != logIDSize {
		return Entry{}, fmt.Errorf("logId of %d bytes, want %d", n, logIDSize)
	}
	e := Entry{LogIndex: uint64(m.logIndex), LogID: m.logID.keyID, CanonicalizedBody: m.body}
	if m.kindVersion != nil {
		e.Kind, e.Version = string(m.kindVersion.kind), string(m.kindVersion.version)
	}
	if m.inclusionPromise != nil {
		e.SignedEntryTimestamp = m.inclusionPromise.signedEntryTimestamp
	}
	if m.integratedTime < 0 || m.integratedTime > maxTime {
		return Entry{}, fmt.Errorf("integratedTime %d", m.integratedTime)
	}
	if m.integratedTime > 0 {
		e.IntegratedTime = time.Unix(int64(m.integratedTime), 0).UTC()
	}
	if m.inclusionProof == nil {
		return e, nil
	}
	var err error
	if e.Proof, err = m.inclusionProof.proof(); err != nil {
		return Entry{}, fmt.Errorf("inclusion proof: %w", err)
	}
	return e, nil
}

func (m *inclusionProof) proof() (*Proof, error) {
	if m.logIndex < 0 || m.treeSize > tile.MaxSize || m.logIndex >= m.treeSize {
		return nil, fmt.Errorf("leaf %d of %d", m.logIndex, m.treeSize)
	}
	if len(m.hashes) > 64 {
		return nil, fmt.Errorf("%d hashes", len(m.hashes))
	}
	root, err := hash(m.rootHash)
	if err != nil {
		return nil, err
	}
	p := &Proof{Root: root, Checkpoint: []byte{}}
	if m.checkpoint != nil {
		p.Checkpoint = []byte(m.checkpoint.envelope)
	}
	p.Index, p.Size = uint64(m.logIndex), uint64(m.treeSize)
	for _, raw := range m.hashes {
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

// Message returns the entry as a message, from which [TransparencyLogEntry.Entry]
// returns it.
func (e Entry) Message() *TransparencyLogEntry {
	m := &TransparencyLogEntry{
		logIndex:    protojson.Int64(min(e.LogIndex, math.MaxInt64)),
		logID:       &logID{e.LogID},
		kindVersion: &kindVersion{protojson.String(e.Kind), protojson.String(e.Version)},
		body:        e.CanonicalizedBody,
	}
	if !e.IntegratedTime.IsZero() {
		m.integratedTime = protojson.Int64(e.IntegratedTime.Unix())
	}
	if e.SignedEntryTimestamp != nil {
		m.inclusionPromise = &inclusionPromise{e.SignedEntryTimestamp}
	}
	if e.Proof != nil {
		m.inclusionProof = e.Proof.message()
	}
	return m
}

func (p *Proof) message() *inclusionProof {
	m := &inclusionProof{
		logIndex: protojson.Int64(min(p.Index, math.MaxInt64)),
		treeSize: protojson.Int64(min(p.Size, math.MaxInt64)),
		rootHash: p.Root[:],
		hashes:   make(protojson.BytesList, 0, len(p.Hashes)),
	}
	if len(p.Checkpoint) > 0 {
		m.checkpoint = &checkpoint{protojson.String(p.Checkpoint)}
	}
	for i := range p.Hashes {
		m.hashes = append(m.hashes, p.Hashes[i][:])
	}
	return m
}
