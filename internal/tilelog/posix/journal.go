// SPDX-License-Identifier: Apache-2.0

package posix

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/tilelog/dedup"
)

// A journal is the journal of the only writer. It always has the turn.
type journal struct {
	*directory
	records *durable.Journal
	known   *dedup.Index // nil without deduplication

	since     []tilelog.Promised // of an earlier process, until they are forgotten
	end       uint64             // size of the log with all records
	forgotten atomic.Uint64      // size up to which records are not needed
}

// journal opens the journal, and removes files that a crash left half-written.
func (d *directory) journal(size uint64, leaves *tilelog.Leaves) (tilelog.Journal, error) {
	records, err := durable.OpenJournal(d.FS, d.path("journal"))
	if err != nil {
		return nil, err
	}
	j := &journal{directory: d, records: records, end: size}
	j.forgotten.Store(size)
	if err := j.open(size, leaves); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func (j *journal) open(size uint64, leaves *tilelog.Leaves) error {
	if size == 0 {
		if err := j.blank(j.records); err != nil {
			return err
		}
	}
	j.files.reset()
	if err := j.FS.RemoveAll(j.path("tmp")); err != nil {
		return fmt.Errorf("clearing temporary files: %w", err)
	}
	if err := durable.MkdirAll(j.FS, j.path("tmp"), 0o700); err != nil {
		return err
	}
	// A checkpoint that a crash left renamed, and not synced, is one that the
	// journal may not be rewound for.
	if err := j.FS.SyncDir(j.Dir); err != nil {
		return err
	}
	if leaves != nil {
		var err error
		if j.known, err = dedup.Open(dedup.Options{FS: j.FS, Dir: j.path("leaves"), Logger: j.Logger}, size, leaves.From); err != nil {
			return err
		}
	}
	return j.records.Records(func(raw []byte) error { return j.promised(raw, leaves) })
}

// promised reads a record of an earlier process. Its batch is either in tiles, or the next of
// the log.
func (j *journal) promised(raw []byte, leaves *tilelog.Leaves) error {
	p, err := parseRecord(raw)
	if err != nil || p.End() <= j.end {
		return err
	}
	if p.Base != j.end {
		return fmt.Errorf("journal goes on at %d, the log ends at %d: restore from a backup", p.Base, j.end)
	}
	j.since, j.end = append(j.since, p), p.End()
	if j.known == nil {
		return nil
	}
	for i, entry := range p.Entries {
		leaf, err := leaves.Of(entry)
		if err != nil {
			return fmt.Errorf("reading journal: %w", err)
		}
		if err := j.known.Add(leaf, p.Base+uint64(i)); err != nil {
			return fmt.Errorf("reading journal: %w", err)
		}
	}
	return nil
}

// Turn implements tilelog.Journal. The lock on the directory is the turn.
func (j *journal) Turn(_ context.Context, size uint64) (tilelog.Turn, error) {
	if size > j.end {
		return nil, fmt.Errorf("journal ends at %d, the log at %d: %w", j.end, size, tilelog.ErrSeenMore)
	}
	if j.forgotten.Load() >= j.end {
		j.since = nil
		j.records.Reset()
	}
	return j, nil
}

// Since implements tilelog.Turn.
func (j *journal) Since() []tilelog.Promised { return j.since }

// Known implements tilelog.Turn.
func (j *journal) Known(leaves []tlog.Hash) ([]tilelog.Found, error) {
	var found []tilelog.Found
	for _, leaf := range leaves {
		index, ok, err := j.known.Find(leaf)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, tilelog.Found{Leaf: leaf, Index: index})
		}
	}
	return found, nil
}

// Commit implements tilelog.Turn. It does nothing for a batch without entries, as everything
// returned before is already on this disk.
func (j *journal) Commit(p tilelog.Promised, leaves []tlog.Hash) error {
	if len(p.Entries) == 0 {
		return nil
	}
	if len(j.since) > 0 {
		return errors.New("writing journal: its batches are not yet in tiles") // they would be overwritten
	}
	raw, err := marshalRecord(p)
	if err != nil {
		return err
	}
	if err := j.records.Append(raw); err != nil {
		return err
	}
	j.end = p.End()
	if j.known == nil {
		return nil
	}
	for i, leaf := range leaves {
		if err := j.known.Add(leaf, p.Base+uint64(i)); err != nil {
			return err
		}
	}
	return nil
}

// Release implements tilelog.Turn.
func (*journal) Release() {}

// Forget implements tilelog.Journal.
func (j *journal) Forget(size uint64) { j.forgotten.Store(size) }

// Probe implements tilelog.Journal.
func (j *journal) Probe() error {
	if err := durable.Probe(j.FS, j.path("tmp")); err != nil {
		return fmt.Errorf("probing disk: %w", err)
	}
	return nil
}

// Close implements tilelog.Journal. It leaves the log's lock alone.
func (j *journal) Close() error {
	err := j.records.Close()
	if j.known != nil {
		err = errors.Join(err, j.known.Close())
	}
	return err
}
