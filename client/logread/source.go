// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// A Source provides the files of a log.
type Source interface {
	// Read returns the file at a slash-separated path below the log's prefix.
	// Errors match client.ErrTooLong if it has more than limit bytes, and
	// fs.ErrNotExist if the source reports that it does not exist. After any other
	// error nothing is known. Read must be safe for concurrent use.
	Read(ctx context.Context, path string, limit int64) ([]byte, error)
}

// An HTTP is a log that is served below a URL.
type HTTP struct {
	URL    string // prefix of the log, without a trailing slash
	Client *http.Client
}

// Read fetches a file.
func (h HTTP) Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	raw, err := client.Get(ctx, h.Client, h.URL+"/"+path, limit)
	if refusal := new(client.StatusError); errors.As(err, &refusal) && refusal.Status == http.StatusNotFound {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s/%s: %w", h.URL, path, err)
	}
	return raw, nil
}

// A Dir is a log in a directory: that of a running instance, or a copy.
type Dir string

func (d Dir) path(path string) string { return filepath.Join(string(d), filepath.FromSlash(path)) }

// Read reads a file.
func (d Dir) Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := os.Stat(d.path(path))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would block
		return nil, fmt.Errorf("%s is not a regular file", d.path(path))
	}
	f, err := os.Open(d.path(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", d.path(path), client.ErrTooLong, limit)
	}
	raw := make([]byte, info.Size())
	if _, err := io.ReadFull(f, raw); err != nil {
		return nil, fmt.Errorf("reading %s: %w", d.path(path), err)
	}
	return raw, nil
}

// wider returns the widths of a tile's partial forms with at least width,
// narrowest first. A growing log may remove the narrower ones.
func (d Dir) wider(level int, n uint64, width int) []int {
	var widths []int
	for w := width + 1; w < tile.Width; w++ {
		if _, err := os.Stat(d.path(tile.Path(level, n, w))); err == nil {
			widths = append(widths, w)
		}
	}
	return widths
}

// files calls each with the path of every file below dir, except for temporary
// files, whose names begin with a dot. A missing dir has none.
func (d Dir) files(dir string, each func(path string)) error {
	err := fs.WalkDir(os.DirFS(d.path(dir)), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // removed meanwhile, like partial tiles
		case err != nil:
			return err
		case entry.IsDir() || strings.HasPrefix(entry.Name(), "."):
			return nil
		}
		each(dir + "/" + path)
		return nil
	})
	if err != nil {
		return fmt.Errorf("listing %s: %w", d.path(dir), err)
	}
	return nil
}

// size returns the size of a file, or 0 if there is none.
func (d Dir) size(path string) int64 {
	info, err := os.Stat(d.path(path))
	if err != nil {
		return 0
	}
	return info.Size()
}

func leafName(index uint64) string { return "entry " + strconv.FormatUint(index, 10) }
