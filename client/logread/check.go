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
	Damaged     = "damaged"     // a file does not say what it must
	Missing     = "missing"     // a file is not there
	Superfluous = "superfluous" // a file has no place in the log
	Malformed   = "malformed"   // an entry, in the tree as it is, is not what the log is of
)

// Finding is one thing that is wrong with a log.
type Finding struct {
	Path   string // of the file, below the log's prefix
	Kind   string
	Detail string // may be empty
}

// maxFindings bounds a report: a log of which nothing is left has a finding for every
// file.
const maxFindings = 10000

// maxChecked bounds the entries of a log that is checked: an eighth of a byte is held
// for each, and who signs the checkpoint decides how many there are.
const maxChecked = 1 << 34

// Report is what Check has found.
type Report struct {
	Head     *Head
	Findings []Finding // by path
	Dropped  int       // findings beyond those
}

// CheckOptions say how a log is checked.
type CheckOptions struct {
	Workers  int                      // tiles that are read at once; 0: as many as there are processors
	Progress func(done, total uint64) // is told of entries, by many goroutines; may be nil
}

// Check reads the whole log and derives every hash from its entries: entry, leaf, tile
// of each level, root. Of a Dir it verifies each file in tile/ and issuer/ and each
// stored checkpoint, and finds what has no place there. The log may grow meanwhile:
// what counts is the largest checkpoint at the beginning. An error means that it could
// not be looked at: those of Head and of Source.
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

// checker is one check of a log.
type checker struct {
	ctx    context.Context
	log    *Log
	o      CheckOptions
	head   *Head
	others []*Head // stored besides head, smaller or as large

	// levels are the hashes of each level above the leaves, as they are derived from
	// below: levels[1][n] is the root of the n-th 256 leaves. edge are the leaves after
	// the last full tile.
	levels [][]tlog.Hash
	edge   []tlog.Hash

	mu       sync.Mutex // guards what follows
	doubts   map[position]*doubt
	issuers  map[[32]byte]*issuer
	findings []Finding
	dropped  int
}

// doubt is a tile whose file does not have the hashes that were derived from below.
// Which is right, the tile above it says.
type doubt struct {
	stored, derived []tlog.Hash // nil: can't be read
	right           []tlog.Hash // once judged
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

// findErr is find for a file that could not be used; it gives back errors that are no
// finding.
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
	var derived []tlog.Hash // nil: the entries can't be read
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

// compare compares what was derived of a tile with its file, and gives the hashes to
// go on with.
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
		c.dropped++ // a log in which no tile is right must not fill memory
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

// settle takes, for tiles in doubt, what the tile above them says where that is one of
// the two that they may be, or where nothing else is known.
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

// rootOf is the root of a complete tree over hashes, a power of two of them.
func rootOf(hashes []tlog.Hash) tlog.Hash {
	hashes = slices.Clone(hashes)
	for ; len(hashes) > 1; hashes = hashes[:len(hashes)/2] {
		for i := range len(hashes) / 2 {
			hashes[i] = tlog.NodeHash(hashes[2*i], hashes[2*i+1])
		}
	}
	return hashes[0]
}
