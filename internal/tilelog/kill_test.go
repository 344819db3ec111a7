// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

const (
	killDir   = "TILELOG_KILL_DIR"
	killRound = "TILELOG_KILL_ROUND"
)

// An acknowledgement is an entry that the child process was promised, as it reports it.
type acknowledgement struct {
	Entry      string
	Index      uint64
	Checkpoint []byte
}

// TestKillChild runs in the process that TestKill kills. Without TestKill it does nothing.
func TestKillChild(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(killDir)
	if dir == "" {
		t.Skip("run by TestKill")
	}
	l, err := open(testOptions(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	var out sync.Mutex
	var clients sync.WaitGroup
	for client := range 64 {
		clients.Go(func() {
			for i := 0; ; i++ {
				entry := fmt.Sprintf("round %s client %d entry %d", os.Getenv(killRound), client, i)
				r, err := l.Append(context.Background(), tilelog.Pending{Entry: []byte(entry)})
				if err != nil {
					t.Error(err)
					return
				}
				line, err := json.Marshal(acknowledgement{entry, r.Index, r.Checkpoint})
				if err != nil {
					t.Error(err)
					return
				}
				out.Lock()
				fmt.Printf("ack %s\n", line)
				out.Unlock()
			}
		})
	}
	clients.Wait()
}

// runAndKill runs the child for a while, kills it, and adds the promises that it reported.
func runAndKill(t *testing.T, dir string, round int, p *promises) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	child.Env = append(os.Environ(), killDir+"="+dir, fmt.Sprintf("%s=%d", killRound, round))
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	o, first := testOptions(t, dir), true
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // a line truncated by the kill does not count
		}
		raw, ok := bytes.CutPrefix(line, []byte("ack "))
		if !ok {
			t.Errorf("child says %s", line)
			continue
		}
		if first {
			first = false
			time.AfterFunc(time.Duration(rand.IntN(150))*time.Millisecond, func() { child.Process.Kill() })
		}
		var a acknowledgement
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatal(err)
		}
		p.add(t, o, a)
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("child was not killed: %v", err)
	}
}

// TestKill sends kill -9 while 64 clients append, repeatedly. Every acknowledged entry must be
// in the log, and every released checkpoint must be consistent with the last and the only one
// of its size.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	var p promises
	var checked uint64 // size of the log so far
	kills := testkit.Rounds(5, 1000)
	for round := range kills {
		runAndKill(t, dir, round, &p)
		if round%10 == 9 {
			l := mustOpen(t, testOptions(t, dir))
			p.held(t, l, checked)
			checked = l.Size()
			mustClose(t, l)
		}
	}
	l := mustOpen(t, testOptions(t, dir))
	p.held(t, l, 0)
	mustClose(t, l)
	entries := checkDir(t, dir)
	p.are(t, entries)
	t.Logf("killed %d times: %d entries acknowledged under %d checkpoints, %d in the log, 0 lost", kills, len(p.acks), len(p.checkpoints), len(entries))
}

// A signed is a released checkpoint.
type signed struct {
	root     tlog.Hash
	envelope []byte
}

// promises holds everything that a log has acknowledged.
type promises struct {
	acks        []acknowledgement // without checkpoints
	checkpoints map[uint64]signed // by size
	seen        map[string]bool   // checkpoints, with all their signatures
}

func (p *promises) add(t *testing.T, o options, a acknowledgement) {
	t.Helper()
	p.acks = append(p.acks, acknowledgement{Entry: a.Entry, Index: a.Index})
	if p.seen[string(a.Checkpoint)] {
		return
	}
	c, _, err := checkpoint.Open(a.Checkpoint, o.Verifiers...)
	if err != nil {
		t.Error(err)
		return
	}
	earlier, ok := p.checkpoints[c.Size]
	if ok && !bytes.HasPrefix(a.Checkpoint, earlier.envelope) && !bytes.HasPrefix(earlier.envelope, a.Checkpoint) {
		t.Errorf("two checkpoints of size %d", c.Size)
	}
	if p.seen == nil {
		p.seen, p.checkpoints = map[string]bool{}, map[uint64]signed{}
	}
	p.seen[string(a.Checkpoint)] = true
	p.checkpoints[c.Size] = signed{c.Root, a.Checkpoint}
}

// held checks that every checkpoint from a size on is of the log's history: the tree's first
// leaves have the signed root.
func (p *promises) held(t *testing.T, l *tilelog.Log, from uint64) {
	t.Helper()
	for size, c := range p.checkpoints {
		if size < from {
			continue
		}
		if root, err := l.RootAt(size); err != nil || root != c.root {
			t.Fatalf("checkpoint of size %d is not consistent with size %d: %v", size, l.Size(), err)
		}
	}
}

// are checks that every entry is at its promised index.
func (p *promises) are(t *testing.T, entries [][]byte) {
	t.Helper()
	for _, a := range p.acks {
		if a.Index >= uint64(len(entries)) || string(entries[a.Index]) != a.Entry {
			t.Fatalf("%q was acknowledged as %d of %d and is not there", a.Entry, a.Index, len(entries))
		}
	}
}
