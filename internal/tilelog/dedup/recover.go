// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// progressInterval is the time between two log lines about a long rebuild.
const progressInterval = time.Second

// errEnough stops Leaves when no more leaves are needed.
var errEnough = errors.New("no more leaves wanted")

// openRuns opens the runs that follow each other from index 0 on, up to the log's size. It
// removes all others: parts of longer runs, damaged runs, runs of another log, and runs after
// a gap.
func (x *Index) openRuns(size uint64, leaves Leaves) error {
	spans, superfluous, err := x.list()
	if err != nil {
		return err
	}
	for _, s := range spans {
		r, err := x.openNext(s, size, leaves)
		switch {
		case errors.Is(err, errDamaged):
			x.logger.Warn("removing a run of the leaf index", "dir", x.dir.dir, "cause", err)
			superfluous = append(superfluous, s.name())
		case err != nil:
			return err
		case r == nil:
			superfluous = append(superfluous, s.name())
		default:
			x.runs = append(x.runs, r)
		}
	}
	return x.dir.remove(superfluous...)
}

// list returns the runs by start, the longest first, and the temporary files that a crash
// left.
func (x *Index) list() (spans []span, temps []string, err error) {
	names, err := x.dir.names()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if s, ok := parseName(name); ok {
			spans = append(spans, s)
		} else if isTemp(name) {
			temps = append(temps, name)
		}
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	return spans, temps, nil
}

// openNext opens the run of s if it continues the open ones and belongs to the log. Otherwise
// it returns nil.
func (x *Index) openNext(s span, size uint64, leaves Leaves) (*run, error) {
	if s.start != end(x.runs) || s.end > size {
		return nil, nil
	}
	r, err := x.openRun(s)
	if err != nil {
		return nil, err
	}
	var last [hashSize]byte
	err = leaves(s.end-1, func(hash [32]byte) error { last = hash; return errEnough })
	if err == nil {
		err = fmt.Errorf("log has no leaf %d", s.end-1)
	}
	if !errors.Is(err, errEnough) {
		r.file.Close()
		return nil, err
	}
	if last != r.last {
		r.file.Close()
		return nil, &damage{r, errors.New("it is of another log")}
	}
	return r, nil
}

// rebuild adds the log's leaves that are in no run.
func (x *Index) rebuild(size uint64, leaves Leaves) error {
	from := x.live.end
	if from == size {
		return nil
	}
	began := time.Now()
	said := began
	err := leaves(from, func(hash [32]byte) error {
		done := x.live.end
		if done == size {
			return errEnough
		}
		if done%x.tableSize == 0 && time.Since(said) > progressInterval {
			said = time.Now()
			x.logger.Info("rebuilding the leaf index", "dir", x.dir.dir, "leaves", done, "of", size)
		}
		return x.Add(hash, done)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if x.live.end != size {
		return fmt.Errorf("log of %d leaves gave %d", size, x.live.end)
	}
	if said != began {
		x.logger.Info("rebuilt the leaf index", "dir", x.dir.dir, "leaves", size, "took", time.Since(began))
	}
	return nil
}
