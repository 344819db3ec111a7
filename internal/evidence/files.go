// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

const (
	// countTimeout bounds how long a post waits until the store has been counted.
	countTimeout = 5 * time.Second

	// After a disk error the store is reopened after firstRetry, and then after
	// twice as long each time, up to lastRetry.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// dir returns the directory of a subject's bundles. 256 parent directories keep
// each of them small with millions of subjects.
func (s *Store) dir(digest []byte) string {
	text := hex.EncodeToString(digest)
	return filepath.Join(s.o.Dir, "sha256", text[:2], text)
}

// list returns the records of a subject in order of arrival.
func (s *Store) list(digest []byte) ([]record, error) {
	s.listing <- struct{}{}
	defer func() { <-s.listing }()
	entries, err := s.o.FS.ReadDir(s.dir(digest)) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	var all []record
	for _, entry := range entries {
		r, ok := parseRecord(entry.Name())
		if !ok {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUnreadable, err)
		}
		r.size = info.Size()
		all = append(all, r)
	}
	return all, nil
}

// add writes a bundle of the subject, unless the subject already has it.
func (s *Store) add(digest []byte, r record, stored []byte) (id int, err error) {
	mu := &s.subjects[int(digest[0])%len(s.subjects)]
	mu.Lock()
	defer mu.Unlock()
	if s.failed.Load() {
		return 0, errFailed
	}
	held, err := s.list(digest)
	if err != nil {
		return 0, err
	}
	id, there, err := r.among(held)
	if err != nil {
		return 0, err
	}
	if there {
		return id, s.survive(s.sync(digest))
	}
	r.id = id
	if s.used.Add(r.size) > s.o.MaxBytes {
		s.used.Add(-r.size)
		return 0, errFull
	}
	files := durable.Batch{FS: s.o.FS, Temp: s.temp()}
	if err := files.Write(filepath.Join(s.dir(digest), r.file()), stored, 0o644); err != nil {
		return 0, s.survive(err)
	}
	return r.id, s.survive(files.Sync())
}

// sync makes existing files durable, since they may be from a killed process.
func (s *Store) sync(digest []byte) error {
	if err := durable.MkdirAll(s.o.FS, s.dir(digest), 0o755); err != nil {
		return err
	}
	return s.o.FS.SyncDir(s.dir(digest))
}

// survive refuses posts after a disk error, until the store has been counted
// again.
func (s *Store) survive(err error) error {
	if err == nil {
		return nil
	}
	if !s.failed.Swap(true) {
		s.o.Logger.Error("evidence store takes no bundles", "cause", err)
		s.broken <- struct{}{}
	}
	return fmt.Errorf("%w: %w", errFailed, err)
}

// keep counts the store, and reopens it after each disk error once it is
// writable. Posts wait during the first count and are refused during later
// ones.
func (s *Store) keep(ctx context.Context) {
	defer close(s.stopped)
	if err := s.count(ctx); err != nil && ctx.Err() == nil {
		s.survive(fmt.Errorf("counting: %w", err))
	}
	close(s.counted)
	for {
		select {
		case <-s.broken:
			s.mend(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// waitFor waits until l is free.
func waitFor(l sync.Locker) {
	l.Lock()
	defer l.Unlock()
}

// mend reopens the store, trying until it succeeds.
func (s *Store) mend(ctx context.Context) {
	for i := range s.subjects { // waits for posts in progress; others are refused
		waitFor(&s.subjects[i])
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		err := cmp.Or(s.clear(), durable.Probe(s.o.FS, s.temp()))
		if err == nil {
			err = s.count(ctx)
		}
		if err == nil {
			s.o.Logger.Info("evidence store goes on", "bytes", s.used.Load())
			s.failed.Store(false)
			return
		}
		s.o.Logger.Error("evidence store can't go on yet", "cause", err)
	}
}

// count adds up the sizes of all bundles, which takes a while for millions.
func (s *Store) count(ctx context.Context) error {
	s.used.Store(0)
	return s.countBelow(ctx, filepath.Join(s.o.Dir, "sha256"))
}

func (s *Store) countBelow(ctx context.Context, dir string) error {
	entries, err := s.o.FS.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if entry.IsDir() {
			err = s.countBelow(ctx, filepath.Join(dir, entry.Name()))
		} else if info, unseen := entry.Info(); unseen == nil {
			s.used.Add(info.Size())
		} else {
			err = unseen
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have been deleted
			return err
		}
	}
	return nil
}

// waitCounted waits for count. Errors match errCounting or are those of the
// context.
func (s *Store) waitCounted(ctx context.Context) error {
	timer := time.NewTimer(countTimeout)
	defer timer.Stop()
	select {
	case <-s.counted:
		return nil
	case <-timer.C:
		return errCounting
	case <-ctx.Done():
		return ctx.Err()
	}
}
