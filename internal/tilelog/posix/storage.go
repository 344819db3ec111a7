// SPDX-License-Identifier: Apache-2.0

package posix

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

// Options holds the settings of a directory.
type Options struct {
	Dir string     // required; created if missing, unless DIR.begun shows that it existed
	FS  durable.FS // the file system of Dir; nil: durable.OS
	// Notes are files in other directories that remember, like the start marker, what the log
	// was seen with. A note is written only if its directory has a lock. May be nil.
	Notes  []string
	Logger *slog.Logger // logs damage to the index of leaves; nil: nothing is logged
}

// Storage returns a directory as storage of a log. It touches no file.
func Storage(o Options) tilelog.Storage {
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &directory{Options: o, files: newObjects(o.FS, o.Dir)}
	notes := []tilelog.Note{file{fs: o.FS, path: StartMarker(o.Dir)}}
	for _, path := range o.Notes {
		notes = append(notes, file{fs: o.FS, path: path, beside: true})
	}
	return tilelog.Storage{Name: o.Dir, Lock: d.lock, Objects: d.files, Journal: d.journal, Notes: notes}
}

// StartMarker returns the path of the file next to a log's directory that records that the log
// was begun, and what it was last seen with.
func StartMarker(dir string) string { return filepath.Clean(dir) + ".begun" }

// A directory holds a log.
type directory struct {
	Options
	files *objects
}

func (d *directory) path(name string) string { return filepath.Join(d.Dir, name) }

// lock locks the directory, and creates it if it is missing.
func (d *directory) lock() (io.Closer, error) {
	if err := d.missed(); err != nil { // before writing anything that would obstruct restoring it
		return nil, err
	}
	if err := durable.MkdirAll(d.FS, d.Dir, 0o755); err != nil {
		return nil, err
	}
	return d.FS.Lock(d.path("lock"))
}

// missed returns *tilelog.Lost if there was a log and its checkpoint is gone.
func (d *directory) missed() error {
	_, begun := d.FS.Stat(StartMarker(d.Dir))
	_, shown := d.FS.Stat(d.path("checkpoint"))
	if begun == nil && errors.Is(shown, fs.ErrNotExist) {
		return d.lost("it was begun, as " + StartMarker(d.Dir) + " says, and there is no checkpoint")
	}
	if errors.Is(begun, fs.ErrNotExist) {
		return nil
	}
	return begun
}

func (d *directory) lost(reason string) error { return &tilelog.Lost{Dir: d.Dir, Reason: reason} }

// blank returns an error unless a new log may begin in the directory. Errors: *tilelog.Lost.
func (d *directory) blank(records *durable.Journal) error {
	if _, err := d.FS.Stat(d.path("checkpoint")); !errors.Is(err, fs.ErrNotExist) {
		return err // nil: there is a log of no entries
	}
	if err := d.missed(); err != nil {
		return err
	}
	if _, err := d.FS.Stat(d.path("tile")); !errors.Is(err, fs.ErrNotExist) {
		return cmp.Or(err, d.lost("there are tiles but no checkpoint"))
	}
	return records.Records(func([]byte) error { return d.lost("there is a journal but no checkpoint") })
}
