package tilelog

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

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

const (
	killDir   = "TILELOG_KILL_DIR"
	killRound = "TILELOG_KILL_ROUND"
)

// acknowledgement is what the child says of an entry that it was promised.
type acknowledgement struct {
	Entry      string
	Index      uint64
	Checkpoint []byte
}

// TestKillChild is the process that TestKill kills. On its own it does nothing.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		t.Skip("run by TestKill")
	}
	l, err := Open(testOptions(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	var out sync.Mutex
	var clients sync.WaitGroup
	for client := range 64 {
		clients.Go(func() {
			for i := 0; ; i++ {
				entry := fmt.Sprintf("round %s client %d entry %d", os.Getenv(killRound), client, i)
				r, err := l.Append(context.Background(), Pending{Entry: []byte(entry)})
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

// runAndKill runs the child for a while, kills it, and gives what it had said.
func runAndKill(t *testing.T, dir string, round int) []acknowledgement {
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
	var acks []acknowledgement
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // a line that the kill cut off was not said
		}
		raw, ok := bytes.CutPrefix(line, []byte("ack "))
		if !ok {
			t.Errorf("child says %s", line)
			continue
		}
		if len(acks) == 0 {
			time.AfterFunc(time.Duration(rand.IntN(150))*time.Millisecond, func() { child.Process.Kill() })
		}
		var a acknowledgement
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatal(err)
		}
		acks = append(acks, a)
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("child was not killed: %v", err)
	}
	return acks
}

// TestKill: kill -9 while 64 clients append, again and again. Every acknowledged entry
// is there, and every checkpoint ever given out is consistent with the last and
// the only one of its size.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	var acks []acknowledgement
	kills := rounds(t, 50, 1000)
	for round := range kills {
		acks = append(acks, runAndKill(t, dir, round)...)
		if round%10 == 9 {
			l := mustOpen(t, testOptions(t, dir))
			verifyAcknowledged(t, l, acks)
			mustClose(t, l)
		}
	}
	entries := checkDir(t, dir)
	for _, a := range acks {
		if a.Index >= uint64(len(entries)) || string(entries[a.Index]) != a.Entry {
			t.Fatalf("%q was acknowledged as %d and is not there", a.Entry, a.Index)
		}
	}
	t.Logf("killed %d times: %d entries acknowledged, %d in the log, 0 lost", kills, len(acks), len(entries))
}

func verifyAcknowledged(t *testing.T, l *Log, acks []acknowledgement) {
	t.Helper()
	bySize := make(map[uint64][]byte)
	for _, a := range acks {
		c, _, err := checkpoint.Open(a.Checkpoint, l.o.Verifiers...)
		if err != nil {
			t.Fatal(err)
		}
		if earlier, ok := bySize[c.Size]; ok {
			if !bytes.HasPrefix(a.Checkpoint, earlier) && !bytes.HasPrefix(earlier, a.Checkpoint) {
				t.Fatalf("two checkpoints of size %d", c.Size)
			}
			continue
		}
		bySize[c.Size] = a.Checkpoint
		// The tree's first c.Size leaves have the root that was signed then.
		if root, err := l.engine.Load().tree.root(c.Size); err != nil || root != c.Root {
			t.Fatalf("checkpoint of size %d is not consistent with size %d: %v", c.Size, l.Size(), err)
		}
	}
}
