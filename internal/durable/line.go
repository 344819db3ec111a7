// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Timeout of AddLine's lock, and pause between attempts.
const (
	lineTimeout = time.Minute
	linePause   = 5 * time.Millisecond
)

// AddLine appends a line to the file at path, which is created if missing. As
// with [WriteFile], a reader sees the old or the new file. Lines added by
// several processes at once are all kept. Meanwhile there is a file path.lock.
// Errors match [ErrLocked] if others hold it for a minute.
func AddLine(path string, line []byte, perm fs.FileMode) error {
	release, err := lockBriefly(path + ".lock")
	if err != nil {
		return err
	}
	defer release()
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("adding a line: %w", err)
	}
	if len(before) > 0 {
		before = append(bytes.TrimRight(before, "\n"), '\n')
	}
	return WriteFile(path, append(append(before, line...), '\n'), perm)
}

// lockBriefly waits for the lock file and takes it. release removes the file.
func lockBriefly(path string) (release func(), err error) {
	for end := time.Now().Add(lineTimeout); ; time.Sleep(linePause) {
		l, err := Lock(path)
		switch {
		case err == nil && l.stands(path):
			return func() {
				if err := os.Remove(path); err != nil {
					defer os.Remove(path) // Windows can't remove an open file
				}
				l.Close()
			}, nil
		case err == nil: // its holder has just removed the file
			l.Close()
		case !errors.Is(err, ErrLocked) || time.Now().After(end):
			return nil, err
		}
	}
}

// stands reports whether the file at path is still the locked one.
func (l *FileLock) stands(path string) bool {
	ours, err := l.file.Stat()
	there, gone := os.Stat(path)
	return err == nil && gone == nil && os.SameFile(ours, there)
}
