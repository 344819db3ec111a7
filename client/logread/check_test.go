// SPDX-License-Identifier: Apache-2.0

package logread_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

func TestCheckSizes(t *testing.T) {
	t.Parallel()
	m := newMade(t, 0, 0)
	for _, more := range []int{0, 1, 1, 253, 1, 1, 255, 256, 1000} {
		m.grow(t, more, 5)
		if r := check(t, m.log()); len(r.Findings) > 0 || int(r.Head.Size) != len(m.leaves) {
			t.Errorf("%d entries: %v", len(m.leaves), r.Findings)
		}
	}
	m = newMade(t, tile.Width*tile.Width, 0)
	if r := check(t, m.log()); len(r.Findings) > 0 {
		t.Errorf("%d entries: %v", len(m.leaves), r.Findings)
	}
	m.grow(t, 300, 0)
	if r := check(t, m.log()); len(r.Findings) > 0 {
		t.Errorf("%d entries: %v", len(m.leaves), r.Findings)
	}
}

// damages lists ways to damage a file, each with the expected finding.
var damages = map[string]struct {
	kind string
	do   func(path string, content []byte) error
}{
	"flipped first": {logread.Damaged, func(path string, content []byte) error {
		content[0] ^= 1
		return os.WriteFile(path, content, 0o644)
	}},
	"flipped last": {logread.Damaged, func(path string, content []byte) error {
		content[len(content)-1] ^= 0x80
		return os.WriteFile(path, content, 0o644)
	}},
	"flipped within": {logread.Damaged, func(path string, content []byte) error {
		content[len(content)/2] ^= 4
		return os.WriteFile(path, content, 0o644)
	}},
	"cut":     {logread.Damaged, func(path string, content []byte) error { return os.Truncate(path, int64(len(content)-1)) }},
	"longer":  {logread.Damaged, func(path string, content []byte) error { return os.WriteFile(path, append(content, 0), 0o644) }},
	"emptied": {logread.Damaged, func(path string, _ []byte) error { return os.Truncate(path, 0) }},
	"removed": {logread.Missing, func(path string, _ []byte) error { return os.Remove(path) }},
}

// TestEveryFileDamaged checks that each file of a log, damaged in each way, is found by its
// name, and no other file is reported.
func TestEveryFileDamaged(t *testing.T) {
	t.Parallel()
	m := newMade(t, 3*tile.Width, 20)
	m.grow(t, 17, 20) // leaves partial tiles of this size behind
	m.grow(t, 40, 20)
	all := files(t, m.dir)
	if len(all) != 12 {
		t.Fatalf("the log has %d files: %v", len(all), all)
	}
	for _, path := range all {
		for name, d := range damages {
			content, err := os.ReadFile(filepath.Join(m.dir, path))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.do(filepath.Join(m.dir, path), append([]byte(nil), content...)); err != nil {
				t.Fatal(err)
			}
			report, err := m.log().Check(t.Context(), logread.CheckOptions{})
			m.write(t, path, content)
			switch {
			case path == "checkpoint":
				if err == nil && len(report.Findings) == 0 {
					t.Errorf("%s %s: not found", path, name)
				}
			case name == "removed" && strings.HasSuffix(path, ".p/17"):
				if err != nil || len(report.Findings) > 0 {
					t.Errorf("%s %s: %v, %v: the file is not needed", path, name, report, err)
				}
			case err != nil || len(report.Findings) != 1 || report.Findings[0].Path != path || report.Findings[0].Kind != d.kind:
				t.Errorf("%s %s: %+v, %v", path, name, report, err)
			}
		}
	}
}

func TestSuperfluous(t *testing.T) {
	t.Parallel()
	m := newMade(t, 300, 5)
	planted := []string{"tile/0/002", "tile/0/000.p/x", "tile/data/000", "tile/entries/001.p/200", "tile/1/000.p/2", "tile/note.txt"}
	for _, path := range planted {
		m.write(t, path, []byte("planted"))
	}
	m.write(t, "tile/0/.tmp-ABC", nil)
	m.write(t, "index.html", nil)
	r := check(t, m.log())
	if len(r.Findings) != len(planted) {
		t.Errorf("found %v", r.Findings)
	}
	for _, f := range r.Findings {
		if f.Kind != logread.Superfluous {
			t.Errorf("%v", f)
		}
	}
}

// TestStoppedBeforeSigning checks that tiles of a log that was stopped between writing and
// signing are accepted only if its journal has their entries.
func TestStoppedBeforeSigning(t *testing.T) {
	t.Parallel()
	m := newMade(t, 300, 5)
	m.grow(t, 10, 5)
	m.show(t, 300)
	if r := check(t, m.log()); len(r.Findings) != 2 || r.Findings[0].Kind != logread.Superfluous {
		t.Errorf("without a journal: %v", r.Findings)
	}
	m.write(t, "journal", make([]byte, 100))
	m.write(t, "tile/0/099", make([]byte, 8192))
	if r := check(t, m.log()); len(r.Findings) != 1 || r.Findings[0].Path != "tile/0/099" {
		t.Errorf("with a journal: %v", r.Findings)
	}
}

// TestManyDamaged checks that two damaged files, or a whole damaged level, are found.
func TestManyDamaged(t *testing.T) {
	t.Parallel()
	m := newMade(t, 2*tile.Width+9, 5)
	all := files(t, m.dir)
	for i, a := range all {
		for _, b := range all[:i] {
			var kept [2][]byte
			for k, path := range []string{a, b} {
				kept[k], _ = os.ReadFile(filepath.Join(m.dir, path))
				mangled := append([]byte(nil), kept[k]...)
				mangled[len(mangled)-1] ^= 1
				m.write(t, path, mangled)
			}
			report, err := m.log().Check(t.Context(), logread.CheckOptions{})
			if err == nil && len(report.Findings) < 1 {
				t.Errorf("%s and %s: not found", a, b)
			}
			m.write(t, a, kept[0])
			m.write(t, b, kept[1])
		}
	}
	if err := os.RemoveAll(filepath.Join(m.dir, "tile")); err != nil {
		t.Fatal(err)
	}
	if r := check(t, m.log()); len(r.Findings) != len(all) {
		t.Errorf("of %d files, without tiles: %v", len(all), r.Findings)
	}
}

// TestRewritten checks a log that was rewritten consistently, except for its checkpoint.
func TestRewritten(t *testing.T) {
	t.Parallel()
	m := newMade(t, 700, 5)
	old, err := os.ReadFile(filepath.Join(m.dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	m.leaves, m.bundle = nil, nil
	m.grow(t, 700, 6)
	m.write(t, "checkpoint", old)
	r := check(t, m.log())
	if len(r.Findings) != 1 || r.Findings[0].Path != "checkpoint" {
		t.Errorf("found %v", r.Findings)
	}
}

// TestTooLong checks that a tile longer than any valid one counts as damaged, wherever it is
// read.
func TestTooLong(t *testing.T) {
	t.Parallel()
	m := newMade(t, 300, 5)
	m.write(t, "tile/0/000", make([]byte, 1<<20))
	for _, l := range []*logread.Log{m.log(), m.served(t)} {
		r := check(t, l)
		if len(r.Findings) != 1 || r.Findings[0].Path != "tile/0/000" || r.Findings[0].Kind != logread.Damaged {
			t.Errorf("found %v", r.Findings)
		}
		if _, _, err := l.Prove(t.Context(), r.Head, 1); !errors.Is(err, logread.ErrDamaged) {
			t.Errorf("a proof from it: %v", err)
		}
	}
}

// TestUnreadable checks that an unreadable file is an error and no finding.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	m := newMade(t, 300, 5)
	if err := os.Remove(filepath.Join(m.dir, "tile/0/000")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(m.dir, "tile/0/000"), 0o755); err != nil {
		t.Fatal(err)
	}
	if r, err := m.log().Check(t.Context(), logread.CheckOptions{}); err == nil {
		t.Errorf("found %v", r.Findings)
	}
	if _, err := (&logread.Log{Source: logread.Dir(t.TempDir()), Keys: m.keys}).Head(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
}

// BenchmarkCheck measures a directory with entries as long as hashedrekords, which are only
// hashed, and with hashedrekords, which are also parsed.
func BenchmarkCheck(b *testing.B) {
	const size = 100000
	cert := bytes.Repeat([]byte("certificate"), 65)
	body := func(i int) []byte {
		digest := sha256.Sum256(fmt.Append(nil, i))
		h := rekor.HashedRekord{Digest: digest[:], Signature: cert[:71], Verifier: rekor.Verifier{Certificate: cert, KeyDetails: "PKIX_ECDSA_P256_SHA_256"}}
		body, err := h.Body()
		if err != nil {
			b.Fatal(err)
		}
		return body
	}
	for _, format := range []logread.Format{logread.Tiles(), logread.Rekor()} {
		b.Run(format.Name, func(b *testing.B) {
			m := newMade(b, 0, 0)
			m.entry, m.keys[0].Format = body, format
			m.grow(b, size, 0)
			for b.Loop() {
				if r := check(b, m.log()); len(r.Findings) > 0 {
					b.Fatal(r.Findings[0])
				}
			}
			b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64(len(body(0))), "bytes/entry")
		})
	}
}
