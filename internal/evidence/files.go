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
	// countPatience is how long a post waits for the store to be counted.
	countPatience = 5 * time.Second

	// After an error of the disk the store is opened again, after firstRetry and then
	// after twice as long each time, up to lastRetry.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// dir is where the bundles of a subject are. 256 directories keep each of them
// small where there are millions.
func (s *Store) dir(digest []byte) string {
	text := hex.EncodeToString(digest)
	return filepath.Join(s.o.Dir, "sha256", text[:2], text)
}

// list gives what a subject has, in the order in which it came.
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

// add writes a bundle behind those that its subject has, unless it is there.
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

// sync makes durable what is there already, by a process that may have been killed
// before it could.
func (s *Store) sync(digest []byte) error {
	if err := durable.MkdirAll(s.o.FS, s.dir(digest), 0o755); err != nil {
		return err
	}
	return s.o.FS.SyncDir(s.dir(digest))
}

// survive stops posts after an error of the disk: what has been lost then, nobody
// knows until the store is counted again.
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

// keep counts the store, and after each error of the disk again once it can be written.
// What comes while it is counted at first waits; later it is refused.
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

// waitFor waits until nobody holds l.
func waitFor(l sync.Locker) {
	l.Lock()
	defer l.Unlock()
}

// mend tries to open the store again until that goes well.
func (s *Store) mend(ctx context.Context) {
	for i := range s.subjects { // those that write still come to an end; others are refused
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

// count adds up what there is, which takes a while where there are millions.
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
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // else somebody has deleted it
			return err
		}
	}
	return nil
}

// waitCounted waits for count. Errors: errCounting, the context's.
func (s *Store) waitCounted(ctx context.Context) error {
	timer := time.NewTimer(countPatience)
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
