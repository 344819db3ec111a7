// SPDX-License-Identifier: Apache-2.0

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

// list returns all files in the directories of tiles and issuers.
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
// sizes, issuers, and files that do not belong to the log.
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
			c.find(path, Superfluous, "it is not a tile of this log")
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

// partial checks a partial tile of a smaller tree against its wider form, which
// has been checked and must begin with it.
func (c *checker) partial(path string, level int, n uint64, width int) error {
	limit := c.head.Format.limit
	if level >= 0 {
		limit = maxTile
	}
	content, err := c.log.read(c.ctx, path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed as the log grew
	}
	if err != nil {
		return c.findErr(path, err)
	}
	has := position{max(level, 0), n}.width(c.head.Size)
	full := tile.Path(level, n, has)
	if slices.ContainsFunc(c.findings, func(f Finding) bool { return f.Path == full }) {
		return nil // nothing to compare with
	}
	wide, _, err := c.log.readTile(c.ctx, level, n, has, limit)
	if err != nil {
		return err
	}
	if len(content) != c.length(level, content, width) || !bytes.HasPrefix(wide, content) {
		c.find(path, Damaged, "it is not the beginning of %s", full)
	}
	return nil
}

// length returns the size of width hashes or entries of a tile in bytes, or -1
// if it has fewer.
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

// catchUp bounds the time that a running log needs from its tiles to its
// checkpoint.
const catchUp = 3 * time.Second

// beyond judges tiles that are not in the tree. If the log has grown, the tree
// of its next checkpoint has them. If the log was stopped in between, its
// journal has their entries.
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

// minJournal is the size of the smallest entry in a journal, in bytes.
const minJournal = 3

// earlier checks that the tree of each other stored checkpoint is a beginning
// of this one.
func (c *checker) earlier() error {
	for _, head := range c.others {
		root, err := c.log.RootAt(c.ctx, c.head, head.Size)
		if errors.Is(err, ErrDamaged) {
			continue // already reported
		}
		if err != nil {
			return err
		}
		if root != head.Root {
			c.find("checkpoint", Damaged, "head is from another tree")
		}
	}
	return nil
}
