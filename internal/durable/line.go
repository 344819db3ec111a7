package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// How long AddLine waits for others, and how long between two looks.
const (
	linePatience = time.Minute
	linePause    = 5 * time.Millisecond
)

// AddLine makes line the last of the file at path, which is made if missing. As with
// WriteFile, a reader sees the file as it was or as it is now; of lines that several
// processes add at once, none is lost. While it is at work there is a file path.lock.
// Errors: ErrLocked, when others have held it for a minute.
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

// lockBriefly waits for a lock whose file goes away with it.
func lockBriefly(path string) (release func(), err error) {
	for end := time.Now().Add(linePatience); ; time.Sleep(linePause) {
		l, err := Lock(path)
		switch {
		case err == nil && l.stands(path):
			return func() {
				if err := os.Remove(path); err != nil {
					defer os.Remove(path) // Windows removes no open file
				}
				l.Close()
			}, nil
		case err == nil: // its holder has just taken the file away
			l.Close()
		case !errors.Is(err, ErrLocked) || time.Now().After(end):
			return nil, err
		}
	}
}

// stands says that the file at path is the one that is locked.
func (l *FileLock) stands(path string) bool {
	ours, err := l.file.Stat()
	there, gone := os.Stat(path)
	return err == nil && gone == nil && os.SameFile(ours, there)
}
