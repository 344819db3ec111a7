// SPDX-License-Identifier: Apache-2.0

package tile

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// Width is the number of hashes or entries in a full tile.
	Width = 256

	// maxLevel is the highest level of a tree of [MaxSize] leaves.
	maxLevel = 7

	// LevelEntries and LevelData take the place of a level in the paths of entry
	// bundles (tlog-tiles) and of data tiles (static-ct-api).
	LevelEntries = -1
	LevelData    = -2
)

// Path returns the path of a tile, relative to the log's prefix: "tile/", the
// level, the index in elements of three digits and, for a width below [Width],
// ".p/" and the width.
//
//	Path(0, 1234067, 256) = "tile/0/x001/x234/067"
//	Path(LevelEntries, 5, 17) = "tile/entries/005.p/17"
func Path(level int, n uint64, width int) string {
	var b strings.Builder
	b.WriteString("tile/" + levelName(level) + "/" + indexPath(n))
	if width < Width {
		b.WriteString(".p/" + strconv.Itoa(width))
	}
	return b.String()
}

func levelName(level int) string {
	switch level {
	case LevelEntries:
		return "entries"
	case LevelData:
		return "data"
	default:
		return strconv.Itoa(level)
	}
}

// indexPath returns "a non-negative integer encoded into zero-padded 3-digit
// path elements. All but the last path element MUST begin with an x".
func indexPath(n uint64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return path
}

// ParsePath parses a path that [Path] returns and refuses any other.
func ParsePath(path string) (level int, n uint64, width int, err error) {
	refuse := func() (int, uint64, int, error) {
		return 0, 0, 0, fmt.Errorf("parsing tile path: %.64q is not a tile path", path)
	}
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok {
		return refuse()
	}
	name, rest, _ := strings.Cut(rest, "/")
	index, partial, isPartial := strings.Cut(rest, ".p/")
	if level, ok = parseLevel(name); !ok {
		return refuse()
	}
	digits := strings.NewReplacer("x", "", "/", "").Replace(index)
	if n, err = strconv.ParseUint(digits, 10, 64); err != nil {
		return refuse()
	}
	width = Width
	if isPartial {
		if width, err = strconv.Atoi(partial); err != nil || width < 1 || width >= Width {
			return refuse()
		}
	}
	// Writing the path again reveals any other spelling.
	if Path(level, n, width) != path {
		return refuse()
	}
	return level, n, width, nil
}

func parseLevel(name string) (int, bool) {
	switch name {
	case "entries":
		return LevelEntries, true
	case "data":
		return LevelData, true
	}
	level, err := strconv.Atoi(name)
	return level, err == nil && level >= 0 && level <= maxLevel
}
