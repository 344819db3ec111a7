// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

const (
	journalHeader = 8         // bytes before a record: length, then CRC-32C of the record
	maxRecord     = 256 << 20 // bytes
)

// A Journal is an append-only file of records, which are discarded all at once.
//
//	0000012c 8a9136aa  length and CRC-32C, big-endian
//	…                  the record
//
// [Journal.Reset] only rewinds: later records overwrite the earlier ones in
// blocks that the file already has, which saves metadata writes. After a crash,
// [Journal.Records] may therefore return old records after the new ones, so
// each record must tell what it follows. A Journal is not safe for concurrent
// use.
type Journal struct {
	file File
	end  int64 // offset of the next record
}

// OpenJournal opens or creates the journal at path. Call Records before the
// first Append, which writes at the start of the file.
func OpenJournal(fsys FS, path string) (*Journal, error) {
	f, err := fsys.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening journal: %w", err)
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		f.Close()
		return nil, err
	}
	return &Journal{file: f}, nil
}

// Records calls each for every intact record from the start of the file. It
// skips a damaged record: if others were appended after it, it once was on the
// disk, and they show by what they follow that it is missing.
func (j *Journal) Records(each func(record []byte) error) error {
	info, err := j.file.Stat()
	if err != nil {
		return fmt.Errorf("reading journal: %w", err)
	}
	in := io.NewSectionReader(j.file, 0, info.Size())
	for left := info.Size(); left >= journalHeader; {
		var header [journalHeader]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return fmt.Errorf("reading journal: %w", err)
		}
		left -= journalHeader
		length := int64(binary.BigEndian.Uint32(header[:4]))
		if length == 0 || length > maxRecord || length > left {
			return nil
		}
		record := make([]byte, length)
		if _, err := io.ReadFull(in, record); err != nil {
			return fmt.Errorf("reading journal: %w", err)
		}
		left -= length
		if checksum(record) != binary.BigEndian.Uint32(header[4:]) {
			continue
		}
		if err := each(record); err != nil {
			return err
		}
	}
	return nil
}

// Append writes a record, which must not be empty or longer than 256 MiB, and
// returns when it is on the disk. After an error the end of the journal is
// unknown and the caller must not append again.
func (j *Journal) Append(record []byte) error {
	if len(record) == 0 || len(record) > maxRecord {
		return fmt.Errorf("writing journal: record of %d bytes", len(record))
	}
	buf := make([]byte, 0, journalHeader+len(record))
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(record)))
	buf = binary.BigEndian.AppendUint32(buf, checksum(record))
	buf = append(buf, record...)
	if _, err := j.file.WriteAt(buf, j.end); err != nil {
		return fmt.Errorf("writing journal: %w", err)
	}
	if err := j.file.SyncData(); err != nil {
		return fmt.Errorf("syncing journal: %w", err)
	}
	j.end += int64(len(buf))
	return nil
}

// Size returns the number of bytes appended since the last Reset.
func (j *Journal) Size() int64 { return j.end }

// Reset discards all records. The caller must not need them anymore; until the
// next Append, Records may still return them.
func (j *Journal) Reset() { j.end = 0 }

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

func checksum(record []byte) uint32 {
	return crc32.Checksum(record, crc32.MakeTable(crc32.Castagnoli))
}
