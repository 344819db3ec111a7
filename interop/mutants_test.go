// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/verify"
)

const (
	// defaultMutants is how many are judged where HALLMARK_MUTANTS says nothing.
	defaultMutants = 20_000

	// slowest and largest are what hallmark may need for a mutant; both are a
	// thousand times the usual.
	slowest = 2 * time.Second
	largest = 64 << 20

	// enough is after how many faults a run ends.
	enough = 20

	// fewest is how many mutants of a thousand both judges accept at the least:
	// a generator of rubbish alone would test only the parsers.
	fewest = 50
)

// TestMutants changes bundles in all the ways that it knows, and asks hallmark
// and sigstore-go the same about each. Where one accepts what the other
// refuses, the disagreement must be in the table (see [disagreements] and
// docs/disagreements.md). Neither a panic of hallmark nor a burst of memory is
// ever explained.
//
//	HALLMARK_MUTANTS=1000000      how many
//	HALLMARK_MUTANTS_SEED=7       of which seed; 1 without it
//	HALLMARK_MUTANT=7:4711        one alone, by seed and index
//	HALLMARK_MUTANT=DIR           one alone, from where it was kept
func TestMutants(t *testing.T) {
	if one := os.Getenv("HALLMARK_MUTANT"); one != "" {
		replay(t, one)
		return
	}
	count := number(t, "HALLMARK_MUTANTS", defaultMutants)
	if testing.Short() {
		count = min(count, 1000)
	}
	newCourt(t, fullStock(t)).tryAll(t, count)
}

// TestLiveMutants does the same as TestMutants with bundles made at two running instances, by
// two people. They differ in every run, so a mutant can only be reproduced from its saved file.
func TestLiveMutants(t *testing.T) {
	newCourt(t, newStock(t, nil, liveSeeds(t))).tryAll(t, number(t, "HALLMARK_MUTANTS", defaultMutants)/10)
}

// fullStock returns a stock that is the same in every run, so that indexes stay valid.
func fullStock(t *testing.T) stock {
	t.Helper()
	f := newForge(t)
	seeds := append(suiteSeeds(t), f.seeds()...)
	return newStock(t, f, seeds)
}

func number(t *testing.T, name string, standard uint64) uint64 {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		return standard
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// court judges mutants, many at a time.
type court struct {
	stock stock
	seed  uint64
	keep  string
	next  atomic.Uint64

	faults atomic.Int64

	judges sync.Map // question → [2]judge

	mu            sync.Mutex // guards what follows
	both, neither int
	explained     map[string]int
	unexplained   int
}

func newCourt(t *testing.T, s stock) *court {
	t.Helper()
	log.SetOutput(io.Discard) // the library that reads certificate timestamps logs what it forgives
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	for _, seed := range s.seeds {
		hallmark, sigstoreGo := judgesOf(t, seed)
		d := disagreement{}
		d.hear(hallmark, sigstoreGo, seed.raw)
		if d.ours != nil || d.theirs != nil || d.disagree() {
			t.Fatalf("%s is no bundle to begin with:\n%s", seed.name, d.verdicts())
		}
	}
	return &court{stock: s, seed: number(t, "HALLMARK_MUTANTS_SEED", 1), explained: map[string]int{}, keep: keepDir()}
}

// tryAll tries this many, on all processors.
func (c *court) tryAll(t *testing.T, count uint64) {
	stop := c.report(count)
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for i := c.next.Add(1) - 1; i < count && c.faults.Load() < enough; i = c.next.Add(1) - 1 {
				c.try(t, c.stock.mutant(c.seed, i))
			}
		})
	}
	wait.Wait()
	stop()
	c.summarize(t)
}

// question returns the inputs that determine the judges of a seed.
func (s seed) question() string {
	return strings.Join([]string{string(s.root), string(s.artifact), s.identity, s.issuer, string(s.keyPEM)}, "\x00")
}

func (c *court) judgesOf(t testing.TB, s seed) (hallmark, sigstoreGo judge) {
	if found, ok := c.judges.Load(s.question()); ok {
		pair := found.([2]judge)
		return pair[0], pair[1]
	}
	hallmark, sigstoreGo = judgesOf(t, s)
	c.judges.Store(s.question(), [2]judge{hallmark, sigstoreGo})
	return hallmark, sigstoreGo
}

// try lets both judges judge a mutant.
func (c *court) try(t *testing.T, m mutant) {
	hallmark, sigstoreGo := c.judgesOf(t, m.of)
	d := disagreement{mutant: m}
	cost := d.hear(hallmark, sigstoreGo, m.raw)
	if cost.excessive() {
		// The other judges' work is counted in: once more, a few times.
		for range 3 {
			cost = cost.less(d.hear(hallmark, sigstoreGo, m.raw))
		}
	}
	fault := ""
	switch {
	case isPanic(d.ours):
		fault = "hallmark panics"
	case cost.excessive():
		fault = fmt.Sprintf("hallmark needs %v and %d bytes", cost.time, cost.bytes)
	case d.ours != nil && !isRefusal(d.ours):
		fault = "hallmark's answer is no refusal"
	}
	id, explained := d.settle(sigstoreGo)
	c.count(d, id)
	if fault == "" && !explained {
		fault = "nothing explains the disagreement"
	}
	if fault != "" {
		c.accuse(t, d, fault)
	}
}

// settle finds the row that explains the disagreement, if it is one, and
// whether that is all there is to explain.
func (d *disagreement) settle(sigstoreGo judge) (id string, explained bool) {
	if !d.disagree() {
		return "", true
	}
	if id, explained = d.explain(); slices.Contains(unsigned, id) {
		explained = d.mend(sigstoreGo) || id == "entry-twice" && d.fewerTimes()
	}
	return id, explained
}

// mend lets sigstore-go judge the mended mutant. It reports whether the judges agree now, or
// disagree for a reason that can't be mended.
func (d *disagreement) mend(sigstoreGo judge) bool {
	result, err := sigstoreGo.ask(d.mended())
	if d.theirs = err; err == nil {
		d.theirsMean = meaningOf(result)
	}
	if !d.disagree() {
		return true
	}
	_, ok := d.explainBut(unsigned)
	return ok
}

func isRefusal(err error) bool {
	var refusal *verify.Error
	return errors.As(err, &refusal) || errors.Is(err, bundle.ErrMalformed)
}

// A cost is the time and memory of a verdict.
type cost struct {
	time  time.Duration
	bytes uint64
}

func (c cost) excessive() bool { return c.time > slowest || c.bytes > largest }

func (c cost) less(d cost) cost { return cost{min(c.time, d.time), min(c.bytes, d.bytes)} }

// hear lets both judges judge raw, and returns the cost of hallmark's verdict.
func (d *disagreement) hear(hallmark, sigstoreGo judge, raw []byte) cost {
	before, start := allocated(), time.Now()
	ours, err := hallmark.ask(raw)
	c := cost{time.Since(start), allocated() - before}
	theirs, theirErr := sigstoreGo.ask(raw)
	if d.ours = err; err == nil {
		d.oursMeans = meaningOf(ours)
	}
	if d.theirs = theirErr; theirErr == nil {
		d.theirsMean = meaningOf(theirs)
	}
	return c
}

// allocated returns the number of bytes that the program has allocated so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func (c *court) count(d disagreement, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case id != "":
		c.explained[id]++
	case d.disagree():
		c.unexplained++
	case d.ours == nil:
		c.both++
	default:
		c.neither++
	}
}

// accuse fails the test, and keeps the mutant.
func (c *court) accuse(t *testing.T, d disagreement, fault string) {
	c.faults.Add(1)
	dir := filepath.Join(c.keep, fmt.Sprintf("%d-%d", d.seed, d.index))
	d.of.write(t, dir, d.raw)
	t.Errorf("%s\n%s\nHALLMARK_MUTANT=%s, or HALLMARK_MUTANT=%d:%d\n%s", fault, d.mutant, dir, d.seed, d.index, d.verdicts())
}

func keepDir() string { return filepath.Join(os.TempDir(), "hallmark-mutants") }

// report prints the progress until it is stopped, in verbose tests, since a million mutants
// take long.
func (c *court) report(count uint64) (stop func()) {
	done := make(chan struct{})
	if !testing.Verbose() {
		return func() {}
	}
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Second):
				fmt.Fprintf(os.Stderr, "mutants: %d of %d\n", min(c.next.Load(), count), count)
			}
		}
	}()
	return func() { close(done) }
}

// summarize logs the results.
func (c *court) summarize(t *testing.T) {
	disagreed := 0
	for _, id := range slices.Sorted(maps.Keys(c.explained)) {
		t.Logf("%7d  %s", c.explained[id], id)
		disagreed += c.explained[id]
	}
	all := c.both + c.neither + disagreed + c.unexplained
	t.Logf("%d mutants: %d accepted by both, %d refused by both, %d explained, %d unexplained", all, c.both, c.neither, disagreed, c.unexplained)
	if c.both*1000 < all*fewest {
		t.Errorf("both accept %d of %d: too few to learn from", c.both, all)
	}
}

// replay judges one mutant and says what both have said.
func replay(t *testing.T, one string) {
	c := &court{keep: t.TempDir()}
	m := mutant{}
	if _, err := fmt.Sscanf(one, "%d:%d", &m.seed, &m.index); err == nil {
		m = fullStock(t).mutant(m.seed, m.index)
	} else {
		s := readSeed(t, one)
		m = mutant{of: s, raw: s.raw, kinds: []string{"kept"}}
	}
	hallmark, sigstoreGo := c.judgesOf(t, m.of)
	d := disagreement{mutant: m}
	d.hear(hallmark, sigstoreGo, m.raw)
	first := d.verdicts()
	id, explained := d.settle(sigstoreGo)
	t.Logf("%s\n%s\n%s\nexplained by %q: %v", m, m.raw, first, id, explained)
	if last := d.verdicts(); last != first {
		t.Logf("mended:\n%s", last)
	}
	if isPanic(d.ours) || !explained {
		t.Fail()
	}
}
