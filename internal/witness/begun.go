// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// noteInterval is the minimum time between two writes of the start marker. A
// log's first line is written before its first cosignature; later ones lag
// behind the state.
const noteInterval = time.Second

// ErrWentBack reports that the state of a witness is missing or older than its
// start marker. The witness could cosign a fork of what it has cosigned before.
var ErrWentBack = errors.New("witness's state is missing, or older than its start marker")

// A seen is the last cosigned checkpoint of a log, according to the start marker.
type seen struct {
	size uint64
	root tlog.Hash
}

// marker returns the path of the start marker, a file next to the state with the last cosigned
// checkpoints, one line per log:
//
//	20852163 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I= log.example.com
func (o Options) marker() string { return filepath.Clean(o.Dir) + ".begun" }

// readMarker reads the start marker. A missing one lists no log.
func (o Options) readMarker() (map[string]seen, error) {
	raw, err := durable.ReadFile(o.FS, o.marker())
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]seen{}, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := parseMarker(raw)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", o.marker(), err)
	}
	return all, nil
}

func parseMarker(raw []byte) (map[string]seen, error) {
	all := make(map[string]seen)
	for line := range strings.Lines(string(raw)) {
		size, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		hash, origin, ok := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(size, 10, 64)
		root, malformed := tlog.ParseHash(hash)
		if err := cmp.Or(err, malformed); err != nil || !ok || origin == "" {
			return nil, fmt.Errorf("malformed line %.200q", line)
		}
		all[origin] = seen{n, root}
	}
	return all, nil
}

func marshalMarker(all map[string]seen) []byte {
	var raw bytes.Buffer
	for _, origin := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&raw, "%d %s %s\n", all[origin].size, all[origin].root, origin)
	}
	return raw.Bytes()
}

// check compares the state of a log with the start marker. Errors match
// [ErrWentBack].
func (s seen) check(origin string, last checkpoint.Checkpoint) error {
	switch {
	case last.Origin == "":
		return fmt.Errorf("%w: %s is cosigned up to size %d, but its file is missing", ErrWentBack, origin, s.size)
	case last.Size < s.size, last.Size == s.size && last.Root != s.root:
		return fmt.Errorf("%w: %s is cosigned up to size %d with root %s, and its file has size %d with root %s", ErrWentBack, origin, s.size, s.root, last.Size, last.Root)
	}
	return nil
}

// note updates a log's line of the start marker. The first line of a log is
// written at once.
func (w *Witness) note(c checkpoint.Checkpoint) error {
	w.mu.Lock()
	_, known := w.noted[c.Origin]
	w.noted[c.Origin] = seen{c.Size, c.Root}
	w.mu.Unlock()
	if !known {
		err := w.writeMarker()
		if err != nil {
			w.mu.Lock()
			delete(w.noted, c.Origin)
			w.mu.Unlock()
			w.failing()
		}
		return err
	}
	w.wake()
	return nil
}

// wake starts a write of the start marker by noteAll.
func (w *Witness) wake() {
	select {
	case w.behind <- struct{}{}:
	default:
	}
}

// failing records that the disk is not writable. noteAll detects when it is
// again.
func (w *Witness) failing() {
	w.failed.Store(true)
	w.wake()
}

// Failed reports whether the witness refuses to cosign because it can't write
// its state.
func (w *Witness) Failed() bool { return w.failed.Load() }

// Sizes returns the size of the last cosigned checkpoint of each log, by
// origin.
func (w *Witness) Sizes() map[string]uint64 {
	sizes := make(map[string]uint64, len(w.logs))
	w.mu.Lock()
	defer w.mu.Unlock()
	for origin := range w.logs {
		sizes[origin] = w.noted[origin].size
	}
	return sizes
}

// noteAll writes the start marker whenever it lags behind, and retries after
// failures, until Close.
func (w *Witness) noteAll() {
	defer close(w.stopped)
	for open := true; open; {
		select {
		case <-w.behind:
		case <-w.closing:
			open = false
		}
		switch err := w.writeMarker(); {
		case err == nil:
			w.failed.Store(false)
		case !w.failed.Load() || !open:
			w.o.Logger.Error("start marker can't be written", "path", w.o.marker(), "cause", err)
			w.failing()
		default:
			w.wake()
		}
		select {
		case <-time.After(noteInterval):
		case <-w.closing:
		}
	}
}

func (w *Witness) writeMarker() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	raw := marshalMarker(w.noted)
	w.mu.Unlock()
	return durable.Replace(w.o.FS, w.o.marker(), raw, 0o644)
}
