package logread

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// list is every file of a directory's tiles and issuers.
func (c *checker) list() ([]string, error) {
	dir, ok := c.log.Source.(Dir)
	if !ok {
		return nil, nil
	}
	var paths []string
	add := func(path string) { paths = append(paths, path) }
	return paths, errors.Join(dir.files("tile", add), dir.files("issuer", add))
}

// stored checks the files that no hash was derived from: partial tiles of other
// sizes, issuers, and what has no place in the log.
func (c *checker) stored(listed []string) error {
	var beyond []string
	for _, path := range listed {
		if strings.HasPrefix(path, "issuer/") && c.head.Format.level == tile.LevelData {
			if err := c.storedIssuer(path); err != nil {
				return err
			}
			continue
		}
		level, n, width, err := tile.ParsePath(path)
		if err != nil || level < 0 && level != c.head.Format.level {
			c.find(path, Superfluous, "it is no tile of this log")
			continue
		}
		has := position{max(level, 0), n}.width(c.head.Size)
		switch {
		case width > has:
			beyond = append(beyond, path)
		case width < has:
			err = c.partial(path, level, n, width)
		}
		if err != nil {
			return err
		}
	}
	return c.beyond(beyond)
}

// partial checks a partial tile of a smaller tree: it must be what its wider form
// begins with, which has been checked.
func (c *checker) partial(path string, level int, n uint64, width int) error {
	limit := c.head.Format.limit
	if level >= 0 {
		limit = maxTile
	}
	content, err := c.log.read(c.ctx, path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone as the log grew
	}
	if err != nil {
		return c.findErr(path, err)
	}
	has := position{max(level, 0), n}.width(c.head.Size)
	full := tile.Path(level, n, has)
	if slices.ContainsFunc(c.findings, func(f Finding) bool { return f.Path == full }) {
		return nil // there is nothing to compare it with
	}
	wide, _, err := c.log.readTile(c.ctx, level, n, has, limit)
	if err != nil {
		return err
	}
	if len(content) != c.length(level, content, width) || !bytes.HasPrefix(wide, content) {
		c.find(path, Damaged, "it is not what %s begins with", full)
	}
	return nil
}

// length is how long width hashes or entries of a tile are, -1 if it has fewer.
func (c *checker) length(level int, content []byte, width int) int {
	if level >= 0 {
		return width * tlog.HashSize
	}
	rest := content
	for range width {
		var err error
		if _, rest, _, err = c.head.Format.next(rest); err != nil {
			return -1
		}
	}
	return len(content) - len(rest)
}

// catchUp is how long a running log may take from its tiles to its checkpoint.
const catchUp = 3 * time.Second

// beyond judges tiles that are not in the tree. Those of a log that has grown since
// are in the tree of its next checkpoint; where a log has been stopped between the
// two, its journal has their entries.
func (c *checker) beyond(paths []string) error {
	dir, _ := c.log.Source.(Dir)
	for deadline := time.Now().Add(catchUp); len(paths) > 0; {
		size := c.head.Size
		for _, name := range []string{"head", "checkpoint"} {
			if raw, err := dir.Read(c.ctx, name, maxCheckpoint); err == nil {
				if head, err := c.log.Open(raw); err == nil {
					size = max(size, head.Size)
				}
			}
		}
		size += uint64(dir.size("journal")) / minJournal
		var left []string
		for _, path := range paths {
			level, n, width, err := tile.ParsePath(path)
			if err == nil && width > (position{max(level, 0), n}).width(size) && dir.size(path) > 0 {
				left = append(left, path)
			}
		}
		if paths = left; time.Now().After(deadline) {
			break
		}
		select {
		case <-time.After(catchUp / 50):
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	for _, path := range paths {
		c.find(path, Superfluous, "it is beyond the tree of %d entries", c.head.Size)
	}
	return nil
}

// minJournal is how many bytes an entry takes in a journal at least.
const minJournal = 3

// earlier checks that each other stored checkpoint is of a tree that this one begins
// with.
func (c *checker) earlier() error {
	for _, head := range c.others {
		root, err := c.log.RootAt(c.ctx, c.head, head.Size)
		if errors.Is(err, ErrDamaged) {
			continue // there are findings
		}
		if err != nil {
			return err
		}
		if root != head.Root {
			c.find("checkpoint", Damaged, "head is of another tree")
		}
	}
	return nil
}
