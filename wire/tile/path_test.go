// SPDX-License-Identifier: Apache-2.0

package tile

import (
	"bytes"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	for _, c := range []struct {
		level int
		n     uint64
		width int
		want  string
	}{
		{0, 0, 256, "tile/0/000"},
		{0, 273, 112, "tile/0/273.p/112"},
		{2, 0, 1, "tile/2/000.p/1"},
		{0, 1234067, 256, "tile/0/x001/x234/067"}, // tlog-tiles' example
		{1, 1000, 255, "tile/1/x001/000.p/255"},
		{LevelEntries, 1234067, 256, "tile/entries/x001/x234/067"},
		{LevelData, 5, 17, "tile/data/005.p/17"},
		{0, 1<<64 - 1, 256, "tile/0/x018/x446/x744/x073/x709/x551/615"},
	} {
		if got := Path(c.level, c.n, c.width); got != c.want {
			t.Errorf("Path(%d, %d, %d) = %q, want %q", c.level, c.n, c.width, got, c.want)
		}
		level, n, width, err := ParsePath(c.want)
		if err != nil || level != c.level || n != c.n || width != c.width {
			t.Errorf("ParsePath(%q) = %d, %d, %d, %v", c.want, level, n, width, err)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, path := range []string{
		"", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile/00/000",
		"tile/8/000", "tile/-1/000", "tile/+1/000", "tile/names/000",
		"tile/0/0", "tile/0/0000", "tile/0/x000/000", "tile/0/001/000", "tile/0/x001", "tile/0/x1/000",
		"tile/0/x001/000x", "tile/0/../../etc/passwd", "tile/0/000.p/0", "tile/0/000.p/256",
		"tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/0/000.p/1.p/1", "tile/0/000.p/+1",
		"tile/0/x018/x446/x744/x073/x709/x551/616", "tile/0/ 01", "tile/0/0\x0001",
		"tile/0/" + strings.Repeat("x000/", 1000) + "000",
	} {
		if level, n, width, err := ParsePath(path); err == nil {
			t.Errorf("ParsePath(%q) = %d, %d, %d", path, level, n, width)
		}
	}
}

func TestEntryBundle(t *testing.T) {
	var bundle []byte
	var want [][]byte
	for i := range Width {
		entry := bytes.Repeat([]byte{byte(i)}, i*i)
		want = append(want, entry)
		var err error
		if bundle, err = AppendEntry(bundle, entry); err != nil {
			t.Fatal(err)
		}
	}
	got, err := SplitEntries(bundle)
	if err != nil || len(got) != Width {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("entry %d differs", i)
		}
	}
	if _, err := SplitEntries(append(bundle, 0, 0)); err == nil {
		t.Error("257 entries were split")
	}
	if _, err := AppendEntry(nil, make([]byte, MaxEntry+1)); err == nil {
		t.Error("an entry of 64 KiB was appended")
	}
	for _, bad := range []string{"\x00", "\x00\x01", "\x00\x02a", "\x00\x01ab"} {
		if _, err := SplitEntries([]byte(bad)); err == nil {
			t.Errorf("%q was split", bad)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("tile/0/x001/x234/067")
	f.Add("tile/entries/005.p/17")
	f.Fuzz(func(t *testing.T, path string) {
		level, n, width, err := ParsePath(path)
		if err == nil && Path(level, n, width) != path {
			t.Errorf("ParsePath(%q) = %d, %d, %d", path, level, n, width)
		}
	})
}

func FuzzSplitEntries(f *testing.F) {
	f.Add([]byte("\x00\x01a\x00\x00"))
	f.Fuzz(func(t *testing.T, bundle []byte) {
		entries, err := SplitEntries(bundle)
		if err != nil {
			return
		}
		var again []byte
		for _, entry := range entries {
			if again, err = AppendEntry(again, entry); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(again, bundle) {
			t.Errorf("%x splits into %x", bundle, entries)
		}
	})
}
