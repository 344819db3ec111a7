// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// maxMembers bounds the files of an archive.
const maxMembers = 200_000

// An archive is a .tar as a file system of its regular files, which are read in
// place.
type archive struct {
	file    *os.File
	members map[string]member
}

// A member is a file in an archive.
type member struct {
	fs.FileInfo
	offset int64
}

// openArchive indexes the files of an archive without reading their contents.
func openArchive(ctx context.Context, name string) (*archive, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	a := &archive{f, map[string]member{}}
	if err := a.scan(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return a, nil
}

func (a *archive) scan(ctx context.Context) error {
	if err := a.refuseCompressed(); err != nil {
		return err
	}
	for r := tar.NewReader(a.file); ; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		header, err := r.Next()
		if errors.Is(err, io.EOF) && len(a.members) > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("neither a directory nor a .tar of one: %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue // directories, and links, which layouts don't need
		}
		offset, err := a.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		name := path.Clean(header.Name)
		if _, twice := a.members[name]; twice {
			return fmt.Errorf("%q occurs twice in the archive", name)
		}
		if len(a.members) == maxMembers {
			return fmt.Errorf("more than %d files in the archive", maxMembers)
		}
		a.members[name] = member{header.FileInfo(), offset}
	}
}

// refuseCompressed refuses a compressed archive, whose files can't be read in
// place.
func (a *archive) refuseCompressed() error {
	start := make([]byte, 6)
	n, err := io.ReadFull(a.file, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	for magic, program := range map[string]string{"\x1f\x8b": "gunzip", "\x28\xb5\x2f\xfd": "unzstd", "BZh": "bunzip2", "\xfd7zXZ\x00": "unxz"} {
		if bytes.HasPrefix(start[:n], []byte(magic)) {
			return fmt.Errorf("the archive is compressed: %s it first", program)
		}
	}
	_, err = a.file.Seek(0, io.SeekStart)
	return err
}

// Open opens a regular file.
func (a *archive) Open(name string) (fs.File, error) {
	m, ok := a.members[name]
	if folder := a.folderOf(name); !ok && folder != "" {
		return nil, fmt.Errorf("it is in the folder %.100q of the archive: archive the content of that folder (tar -C FOLDER -cf FILE .)", folder)
	}
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &section{io.NewSectionReader(a.file, m.offset, m.Size()), m}, nil
}

// ReadDir lists the regular files and the non-empty directories of a directory.
func (a *archive) ReadDir(name string) ([]fs.DirEntry, error) {
	var all []fs.DirEntry
	dirs := map[string]bool{}
	for file, m := range a.members {
		rest, below := strings.CutPrefix(file, name+"/")
		first, _, deeper := strings.Cut(rest, "/")
		switch {
		case below && !deeper:
			all = append(all, fs.FileInfoToDirEntry(m.FileInfo))
		case below && !dirs[first]:
			dirs[first] = true
			all = append(all, directory(first))
		}
	}
	return all, nil
}

// A directory is the name of a directory in an archive.
type directory string

// Name returns the name.
func (d directory) Name() string { return string(d) }

// IsDir returns true.
func (d directory) IsDir() bool { return true }

// Type returns the type of directories.
func (d directory) Type() fs.FileMode { return fs.ModeDir }

// Info fails, since a directory has no information.
func (d directory) Info() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

// folderOf returns a folder of the archive that contains the layout file name,
// or "".
func (a *archive) folderOf(name string) string {
	if name != markFile {
		return ""
	}
	for other := range a.members {
		if path.Base(other) == name {
			return path.Dir(other)
		}
	}
	return ""
}

// A section is an open file of an archive.
type section struct {
	*io.SectionReader
	member member
}

// Stat returns the file's information.
func (s *section) Stat() (fs.FileInfo, error) { return s.member, nil }

// Close does nothing: the archive stays open.
func (s *section) Close() error { return nil }
