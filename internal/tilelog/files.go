package tilelog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// Handler serves the log's files as they lie on disk, after a prefix: /checkpoint and
// /tile/…. Other paths may be added to it.
// Partial tiles of every published size are there (tlog-tiles: "Logs MUST serve
// partial tiles corresponding to tree sizes for which a checkpoint was
// produced"); those that are no file of their own are cut out of wider ones.
func (l *Log) Handler(prefix string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"/checkpoint", l.serveCheckpoint)
	mux.HandleFunc("GET "+prefix+"/tile/", func(w http.ResponseWriter, r *http.Request) {
		l.serveTile(w, r, strings.TrimPrefix(r.URL.Path, prefix+"/"))
	})
	return mux
}

func (l *Log) serveCheckpoint(w http.ResponseWriter, r *http.Request) {
	envelope, err := durable.ReadFile(l.o.FS, l.o.path("checkpoint"))
	if err != nil {
		l.unreadable(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	sum := sha256.Sum256(envelope)
	serve(w, r, "text/plain; charset=utf-8", hex.EncodeToString(sum[:16]), envelope)
}

func (l *Log) serveTile(w http.ResponseWriter, r *http.Request, path string) {
	level, n, width, err := tile.ParsePath(path)
	if err != nil || level < 0 && level != l.o.Format.Level {
		http.NotFound(w, r)
		return
	}
	content, err := l.readTile(tileRef{position{level, n}, width})
	if errors.Is(err, fs.ErrNotExist) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		l.unreadable(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	serve(w, r, "application/octet-stream", path, content) // nothing else is ever at this path
}

// readTile reads a tile: its own file, or the file of the same tile as wide as
// it is now, cut. While it reads, the publisher may replace one by another, so
// it looks again when neither is there.
func (l *Log) readTile(t tileRef) ([]byte, error) {
	for {
		size := l.engine.Load().published.Load()
		content, err := durable.ReadFile(l.o.FS, l.o.path(t.path()))
		if !errors.Is(err, fs.ErrNotExist) {
			return content, err
		}
		wide := t
		wide.width = tileWidth(position{max(t.level, 0), t.n}, size)
		if t.width > wide.width {
			return nil, err
		}
		content, err = durable.ReadFile(l.o.FS, l.o.path(wide.path()))
		if err == nil {
			return l.cut(content, t)
		}
		if !errors.Is(err, fs.ErrNotExist) || l.engine.Load().published.Load() == size {
			return nil, err
		}
	}
}

// cut gives t out of the content of a wider form of it.
func (l *Log) cut(content []byte, t tileRef) ([]byte, error) {
	if t.level < 0 {
		return l.o.Format.Cut(content, t.width)
	}
	if len(content) < t.width*tlog.HashSize {
		return nil, errors.New("tile is truncated")
	}
	return content[:t.width*tlog.HashSize], nil
}

// serve answers with content, or a part of it, or that the client has it already.
func serve(w http.ResponseWriter, r *http.Request, contentType, tag string, content []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func (l *Log) unreadable(w http.ResponseWriter, r *http.Request, err error) {
	l.o.Logger.ErrorContext(r.Context(), "log file can't be read", "path", r.URL.Path, "cause", err)
	http.Error(w, "this file can't be read now", http.StatusInternalServerError)
}
