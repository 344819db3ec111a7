// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// TestFreeze checks that a frozen log has everything promised, says so in its last checkpoint,
// accepts nothing more, and is served without its key.
func TestFreeze(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	for i := range 300 {
		mustAppend(t, l, fmt.Sprint("entry ", i))
	}
	if _, err := tilelog.Frozen(o.tilelog()); err == nil {
		t.Error("a log that is not frozen is served as frozen")
	}
	if err := tilelog.Freeze(t.Context(), o.tilelog()); err == nil {
		t.Error("frozen while it is open")
	}
	mustClose(t, l)
	for range 2 { // the second does nothing
		if err := tilelog.Freeze(t.Context(), o.tilelog()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(o); !errors.Is(err, tilelog.ErrFrozen) {
		t.Errorf("opened again: %v", err)
	}
	envelope, err := os.ReadFile(filepath.Join(o.Dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := checkpoint.Open(envelope, o.Verifiers...)
	if err != nil || c.Size != 300 || len(c.Extensions) != 1 || !strings.HasPrefix(c.Extensions[0], "hallmark frozen 20") {
		t.Errorf("%+v, %v", c, err)
	}
	if entries := checkDir(t, o.Dir); len(entries) != 300 {
		t.Errorf("%d entries", len(entries))
	}
	keyless := o
	keyless.Signers = nil
	h, err := tilelog.Frozen(keyless.tilelog())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h.Handler(""))
	defer s.Close()
	for _, path := range []string{"checkpoint", tile.Path(0, 0, 256), tile.Path(0, 1, 44), tile.Path(0, 1, 7), tile.Path(tile.LevelEntries, 1, 44)} {
		resp, err := http.Get(s.URL + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// TestFreezeRefusesDamage checks that a log truncated on disk is not frozen.
func TestFreezeRefusesDamage(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	mustAppend(t, l, "entry")
	mustClose(t, l)
	if err := os.Truncate(filepath.Join(o.Dir, tile.Path(0, 0, 1)), 5); err != nil {
		t.Fatal(err)
	}
	if err := tilelog.Freeze(t.Context(), o.tilelog()); err == nil {
		t.Error("frozen")
	}
}
