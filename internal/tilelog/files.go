// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// Handler serves the log's files, as stored, under a prefix: /checkpoint and /tile/…. Other
// patterns may be registered on it. Partial tiles of every published size are available
// (tlog-tiles: "Logs MUST serve partial tiles corresponding to tree sizes for which a
// checkpoint was produced"). Those without a file are cut out of wider ones.
func (l *Log) Handler(prefix string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"/checkpoint", l.serveCheckpoint)
	mux.HandleFunc("GET "+prefix+"/tile/", func(w http.ResponseWriter, r *http.Request) {
		l.serveTile(w, r, strings.TrimPrefix(r.URL.Path, prefix+"/"))
	})
	return mux
}

func (l *Log) serveCheckpoint(w http.ResponseWriter, r *http.Request) {
	envelope, err := read(r.Context(), l.o.Storage.Objects, "checkpoint")
	if err != nil {
		l.unreadable(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	sum := sha256.Sum256(envelope)
	serve(w, r, "text/plain; charset=utf-8", hex.EncodeToString(sum[:16]), bytes.NewReader(envelope))
}

func (l *Log) serveTile(w http.ResponseWriter, r *http.Request, path string) {
	level, n, width, err := tile.ParsePath(path)
	if err != nil || level < 0 && level != l.o.Format.Level {
		http.NotFound(w, r)
		return
	}
	f, size, err := l.openTile(r.Context(), tileRef{position{level, n}, width})
	if errors.Is(err, fs.ErrNotExist) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		l.unreadable(w, r, err)
		return
	}
	defer f.Close()
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	serve(w, r, "application/octet-stream", path, f.Content(size)) // nothing else is ever at this path
}

// openTile opens a tile, which is the first size bytes of f: the tile's own file, or the file
// of the same tile at its present width. The publisher may replace one by the other at any
// time, so openTile tries again if neither exists.
func (l *Log) openTile(ctx context.Context, t tileRef) (f Object, size int64, err error) {
	for tiled := l.engine.Load().published.Load(); ; {
		f, err := l.o.Storage.Objects.Open(ctx, t.path())
		if err == nil {
			return f, f.Size(), nil
		}
		wide := t
		wide.width = tileWidth(position{max(t.level, 0), t.n}, tiled)
		if errors.Is(err, fs.ErrNotExist) && t.width < wide.width {
			if f, err = l.o.Storage.Objects.Open(ctx, wide.path()); err == nil {
				return l.cut(ctx, f, t)
			}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, err
		}
		now := l.tiled(ctx)
		if now == tiled {
			return nil, 0, err
		}
		tiled = now
	}
}

// tiled returns the number of entries that have tiles, including those that another process
// has written.
func (l *Log) tiled(ctx context.Context) uint64 {
	size, name := l.engine.Load().published.Load(), "checkpoint"
	if l.o.Cosigner != nil {
		name = headFile
	}
	envelope, err := read(ctx, l.o.Storage.Objects, name)
	if err != nil {
		return size
	}
	c, err := l.o.openCheckpoint(envelope)
	if err != nil {
		return size
	}
	return max(size, c.Size)
}

// cut returns f, a wider form of t, and the number of its bytes that make up t. On error it
// closes f.
func (l *Log) cut(ctx context.Context, f Object, t tileRef) (Object, int64, error) {
	length := int64(t.width) * tlog.HashSize
	var err error
	switch {
	case t.level < 0:
		length, err = l.cutEntries(ctx, f, f.Size(), t.width)
	case f.Size() < length:
		err = errors.New("tile is truncated")
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, length, nil
}

// cutEntries returns the length of the first width entries of f. It limits the number of
// concurrent requests that measure; each uses a fixed buffer, however long the tile.
func (l *Log) cutEntries(ctx context.Context, f io.ReaderAt, size int64, width int) (int64, error) {
	select {
	case l.cutting <- struct{}{}:
		defer func() { <-l.cutting }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return l.o.Format.Measure(f, size, width)
}

// serve writes content, or the requested range, or 304 if the client has it already.
func serve(w http.ResponseWriter, r *http.Request, contentType, tag string, content io.ReadSeeker) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
}

func (l *Log) unreadable(w http.ResponseWriter, r *http.Request, err error) {
	l.o.Logger.ErrorContext(r.Context(), "log file can't be read", "path", r.URL.Path, "cause", err)
	w.Header().Set("Retry-After", "10")
	http.Error(w, "this file can't be read now", http.StatusServiceUnavailable)
}
