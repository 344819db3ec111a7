// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

// TestTell checks that the progress of a copy is printed every few seconds.
func TestTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		var p transfer.Progress
		stop := make(chan struct{})
		go Transfer{}.tell(cli.Environment{Stderr: &said}, "r/a:v1\x1b[2J", &p, stop)
		time.Sleep(tellEvery + 1)
		synctest.Wait()
		p.OfBlobs.Store(3)
		p.Blobs.Store(1)
		p.OfBytes.Store(5_400_000_000)
		p.Bytes.Store(1_234)
		time.Sleep(tellEvery)
		synctest.Wait()
		close(stop)
		want := `r/a:v1\u001b[2J: looking at what there is` + "\n" + `r/a:v1\u001b[2J: 1 of 3 blobs, 1.2 kB of 5.4 GB` + "\n"
		if said.String() != want {
			t.Errorf("%q", said.String())
		}
	})
}

// TestReportIsPrintable checks that messages of registries can neither control nor flood the
// terminal.
func TestReportIsPrintable(t *testing.T) {
	r := &transfer.Report{Digest: "sha256:\x1b[31m", Elsewhere: []transfer.Note{{What: "a\x1b]0;b\x07", Why: "\u202e"}}}
	for range maxNotes + 5 {
		r.Missing = append(r.Missing, transfer.Note{What: "x\r", Why: "y\ny"})
	}
	for _, env := range []cli.Environment{{}, {JSON: true}} {
		var out bytes.Buffer
		env.Stdout = &out
		if err := (Transfer{}).show(env, "from\x1b", "to\x07", r); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(out.String(), "\x1b\x07\r") || !env.JSON && (strings.Count(out.String(), "\n") > maxNotes+10 || !strings.Contains(out.String(), "and 5 more, see --json")) {
			t.Errorf("%q", out.String())
		}
	}
	var out bytes.Buffer
	odd := oci.Removable{Attached: oci.Attached{Digest: "sha256:x", Type: "a\x1b[2Jb"}, Blocked: "c\x1bd"}
	if _, err := (Cleaning{}).show(cli.Environment{Stdout: &out}, plan{all: []oci.Removable{odd}}); err != nil || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q, %v", out.String(), err)
	}
}
