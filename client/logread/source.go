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

// Source gives the files of a log.
type Source interface {
	// Read gives the file at path, with slashes, below the log's prefix. Errors:
	// client.ErrTooLong where it has more than limit bytes, fs.ErrNotExist where the
	// source says that there is none; any other means that nothing is known. It is called by many
	// goroutines at once.
	Read(ctx context.Context, path string, limit int64) ([]byte, error)
}

// HTTP is a log that is served below a URL.
type HTTP struct {
	URL    string // the log's prefix, without a slash at its end
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

// Dir is a log that lies in a directory: a running instance's, or a copy.
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
	if !info.Mode().IsRegular() { // one would wait for ever to open a pipe
		return nil, fmt.Errorf("%s is no file", d.path(path))
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

// wider are the widths of a tile's partial forms that have at least width, narrowest
// first: those that are narrower may go while a log grows.
func (d Dir) wider(level int, n uint64, width int) []int {
	var widths []int
	for w := width + 1; w < tile.Width; w++ {
		if _, err := os.Stat(d.path(tile.Path(level, n, w))); err == nil {
			widths = append(widths, w)
		}
	}
	return widths
}

// files calls each with the path of every file below dir, but for those whose names
// begin with a dot, which a log may be writing. A missing dir has none.
func (d Dir) files(dir string, each func(path string)) error {
	err := fs.WalkDir(os.DirFS(d.path(dir)), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone while we look: partial tiles are
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

// size is how long a file is, 0 if there is none.
func (d Dir) size(path string) int64 {
	info, err := os.Stat(d.path(path))
	if err != nil {
		return 0
	}
	return info.Size()
}

func leafName(index uint64) string { return "entry " + strconv.FormatUint(index, 10) }
