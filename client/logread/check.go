// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// Kinds of findings.
const (
	Damaged     = "damaged"     // a file has wrong content
	Missing     = "missing"     // a file does not exist
	Superfluous = "superfluous" // a file does not belong to the log
	Malformed   = "malformed"   // an entry, correctly in the tree, is not valid for the log
)

// A Finding is one fault of a log.
type Finding struct {
	Path   string // path of the file, below the log's prefix
	Kind   string
	Detail string // may be empty
}

// maxFindings bounds a report: a log without any files has a finding for each.
const maxFindings = 10000

// maxChecked bounds the entries of a checked log. Each takes an eighth of a
// byte of memory, and the signer of the checkpoint chooses their number.
const maxChecked = 1 << 34

// A Report is the result of [Log.Check].
type Report struct {
	Head     *Head
	Findings []Finding // sorted by path
	Dropped  int       // number of further findings
}

// CheckOptions holds the settings of [Log.Check].
type CheckOptions struct {
	Workers  int                      // tiles read at once; 0 means the number of processors
	Progress func(done, total uint64) // called with numbers of entries, concurrently; may be nil
}

// Check reads the whole log and derives every hash from its entries: entry,
// leaf, tiles of each level, root. In a [Dir] it also verifies each file in
// tile/ and issuer/ and each stored checkpoint, and finds files that do not
// belong there. If the log grows meanwhile, the largest checkpoint at the
// beginning counts. An error means that the log could not be read; errors are
// those of [Log.Head] and of [Source].
func (l *Log) Check(ctx context.Context, o CheckOptions) (*Report, error) {
	c := &checker{ctx: ctx, log: l, o: o, doubts: map[position]*doubt{}, issuers: map[[32]byte]*issuer{}}
	if c.o.Workers == 0 {
		c.o.Workers = runtime.GOMAXPROCS(0)
	}
	if c.o.Progress == nil {
		c.o.Progress = func(uint64, uint64) {}
	}
	listed, err := c.list()
	if err == nil {
		err = c.start()
	}
	if err == nil {
		err = c.leaves()
	}
	for level := 1; err == nil && c.head.Size>>(8*level) > 0; level++ {
		err = c.level(level)
	}
	if err != nil {
		return nil, err
	}
	c.judge()
	if err := errors.Join(c.stored(listed), c.earlier()); err != nil {
		return nil, err
	}
	slices.SortFunc(c.findings, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return &Report{Head: c.head, Findings: slices.Compact(c.findings), Dropped: c.dropped}, nil
}

// A checker is one check of a log.
type checker struct {
	ctx    context.Context
	log    *Log
	o      CheckOptions
	head   *Head
	others []*Head // further stored checkpoints, at most as large as head

	// levels has the hashes of each level above the leaves, derived from below: levels[1][n]
	// is the root of the n-th 256 leaves. edge has the leaves after the last full tile.
	levels [][]tlog.Hash
	edge   []tlog.Hash

	mu       sync.Mutex // guards the following fields
	doubts   map[position]*doubt
	issuers  map[[32]byte]*issuer
	findings []Finding
	dropped  int
}

// A doubt is a tile whose file differs from the hashes that were derived from
// below. The tile above decides which is right.
type doubt struct {
	stored, derived []tlog.Hash // nil if unreadable
	right           []tlog.Hash // set when judged
}

func (c *checker) find(path, kind, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.findings) >= maxFindings {
		c.dropped++
		return
	}
	c.findings = append(c.findings, Finding{path, kind, fmt.Sprintf(format, args...)})
}

// findErr adds a finding for a file that could not be used, and returns errors
// that are not findings.
func (c *checker) findErr(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.find(path, Missing, "")
	case errors.Is(err, ErrDamaged):
		c.find(path, Damaged, "%s", strings.TrimPrefix(err.Error(), ErrDamaged.Error()+": "))
	default:
		return err
	}
	return nil
}

// start reads the stored checkpoints and chooses the largest.
func (c *checker) start() error {
	shown, err := c.log.Head(c.ctx)
	if err != nil {
		return err
	}
	c.head = shown
	if _, ok := c.log.Source.(Dir); ok {
		raw, err := c.log.Source.Read(c.ctx, "head", maxCheckpoint)
		switch head, cause := c.log.Open(raw); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case cause != nil:
			c.find("head", Damaged, "%v", cause)
		case head.Size >= shown.Size:
			c.head, c.others = head, []*Head{shown}
		default:
			c.others = []*Head{head}
		}
	}
	if c.head.Size > maxChecked {
		return fmt.Errorf("the log has %d entries, and at most %d can be checked at once", c.head.Size, uint64(maxChecked))
	}
	for level := 0; level == 0 || c.head.Size>>(8*level) > 0; level++ {
		c.levels = append(c.levels, nil)
		if level > 0 {
			c.levels[level] = make([]tlog.Hash, c.head.Size>>(8*level))
		}
	}
	return nil
}

// leaves reads all entries and the tiles of their hashes, in parallel.
func (c *checker) leaves() error {
	total := (c.head.Size + tile.Width - 1) / tile.Width
	var next, done atomic.Uint64
	errs := make(chan error, c.o.Workers)
	var stop atomic.Bool
	for range c.o.Workers {
		go func() {
			var err error
			for n := next.Add(1) - 1; err == nil && n < total && !stop.Load(); n = next.Add(1) - 1 {
				err = c.leafTile(n)
				c.o.Progress(done.Add(uint64(position{0, n}.width(c.head.Size))), c.head.Size)
			}
			stop.Store(stop.Load() || err != nil)
			errs <- err
		}()
	}
	var err error
	for range c.o.Workers {
		err = errors.Join(err, <-errs)
	}
	return err
}

// leafTile derives the leaves of a tile from its entries.
func (c *checker) leafTile(n uint64) error {
	at := position{0, n}
	width := at.width(c.head.Size)
	entries, err := c.log.bundle(c.ctx, c.head.Format, n, width)
	if err != nil {
		if err := c.findErr(tile.Path(c.head.Format.level, n, width), err); err != nil {
			return err
		}
	}
	var derived []tlog.Hash // nil if the entries can't be read
	if err == nil {
		derived = make([]tlog.Hash, 0, width)
	}
	for _, e := range entries {
		derived = append(derived, e.Leaf)
		if err := c.entry(e); err != nil {
			return err
		}
	}
	derived, err = c.compare(at, derived)
	switch {
	case err != nil:
		return err
	case width < tile.Width:
		c.edge = derived
	case derived != nil:
		c.levels[1][n] = rootOf(derived)
	}
	return nil
}

// compare compares the derived hashes of a tile with its file and returns the
// hashes to continue with.
func (c *checker) compare(at position, derived []tlog.Hash) ([]tlog.Hash, error) {
	width := at.width(c.head.Size)
	raw, err := c.log.hashes(c.ctx, at, width)
	if err != nil {
		if err := c.findErr(tile.Path(at.level, at.n, width), err); err != nil {
			return nil, err
		}
	}
	stored := hashesOf(raw)
	if stored == nil && derived == nil || stored != nil && slices.Equal(stored, derived) {
		return derived, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.doubts) < maxFindings {
		c.doubts[at] = &doubt{stored: stored, derived: derived}
	} else {
		c.dropped++ // bounds memory for a log in which no tile is right
	}
	if derived == nil {
		return stored, nil
	}
	return derived, nil
}

// level derives the tiles of a level from the one below.
func (c *checker) level(level int) error {
	hashes := c.levels[level]
	for n := uint64(0); n*tile.Width < uint64(len(hashes)); n++ {
		at := position{level, n}
		width := at.width(c.head.Size)
		derived := hashes[n*tile.Width:][:width]
		raw, err := c.log.hashes(c.ctx, at, width)
		if err == nil {
			c.settle(at, derived, hashesOf(raw))
		}
		if _, err := c.compare(at, derived); err != nil {
			return err
		}
		if width == tile.Width {
			c.levels[level+1][n] = rootOf(derived)
		}
	}
	return nil
}

// settle replaces tiles in doubt by what the tile above them has, if that is
// one of the two candidates or if nothing else is known.
func (c *checker) settle(at position, derived, above []tlog.Hash) {
	for i := range derived {
		d := c.doubts[position{at.level - 1, at.n*tile.Width + uint64(i)}]
		if derived[i] == (tlog.Hash{}) || d != nil && d.stored != nil && rootOf(d.stored) == above[i] {
			derived[i] = above[i]
		}
	}
}

func hashesOf(raw []byte) []tlog.Hash {
	if raw == nil {
		return nil
	}
	hashes := make([]tlog.Hash, 0, len(raw)/tlog.HashSize)
	for ; len(raw) > 0; raw = raw[tlog.HashSize:] {
		hashes = append(hashes, tlog.Hash(raw[:tlog.HashSize]))
	}
	return hashes
}

// rootOf returns the root of a complete tree over hashes, whose number is a
// power of two.
func rootOf(hashes []tlog.Hash) tlog.Hash {
	hashes = slices.Clone(hashes)
	for ; len(hashes) > 1; hashes = hashes[:len(hashes)/2] {
		for i := range len(hashes) / 2 {
			hashes[i] = tlog.NodeHash(hashes[2*i], hashes[2*i+1])
		}
	}
	return hashes[0]
}
