// SPDX-License-Identifier: Apache-2.0

package images

import (
	"fmt"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

// tellEvery is the time between two lines of progress.
const tellEvery = 5 * time.Second

// tell prints the progress until stop is closed.
func (f Transfer) tell(env cli.Environment, source string, p *transfer.Progress, stop <-chan struct{}) {
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if p.OfBlobs.Load() == 0 {
				env.Say("%s: looking at what there is", source)
				continue
			}
			env.Say("%s: %d of %d blobs, %s of %s", source, p.Blobs.Load(), p.OfBlobs.Load(), amount(p.Bytes.Load()), amount(p.OfBytes.Load()))
		case <-stop:
			return
		}
	}
}

// amount returns a number of bytes in words.
func amount(n int64) string {
	for _, unit := range []struct {
		name string
		is   int64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= unit.is {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(unit.is), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// maxNotes bounds the lines of one kind in a report. JSON has all of them.
const maxNotes = 20

func (f Transfer) show(env cli.Environment, source, target string, r *transfer.Report) error {
	if f.Quiet && r.Complete {
		return nil
	}
	if env.JSON {
		return env.PrintJSON(struct {
			Source string `json:"source"`
			Target string `json:"target"`
			*transfer.Report
		}{source, target, r})
	}
	var a cli.Table
	fmt.Fprintf(&a, "%s to %s\n", fault.Printable(source), fault.Printable(target))
	a.Line("digest", "%s", r.Digest)
	a.Line("platforms", "%d", r.Platforms)
	a.Line("manifests", "%d, %d of them attachments", r.Manifests, r.Attachments)
	a.Line("blobs", "%d: %s sent, %s there before", r.Blobs, amount(r.Sent), amount(r.Skipped))
	for _, notes := range []struct {
		name string
		all  []transfer.Note
	}{{"elsewhere", r.Elsewhere}, {"stray", r.Strays}, {"missing", r.Missing}} {
		for _, n := range notes.all[:min(len(notes.all), maxNotes)] {
			a.Line(notes.name, "%s: %s", n.What, n.Why)
		}
		if rest := len(notes.all) - maxNotes; rest > 0 {
			a.Line(notes.name, "and %d more, see --json", rest)
		}
	}
	if r.Complete {
		a.Line("complete", "the target was checked, and has all of it")
	}
	_, err := fmt.Fprint(env.Stdout, a.String())
	return err
}
