// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/attestations"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// checkpointOf replaces the checkpoint of the bundle's entry by the result of change.
func checkpointOf(t *testing.T, raw []byte, change func(checkpoint []byte) []byte) (changed []byte) {
	t.Helper()
	return without(t, raw, func(b *bundle.Bundle) { b.Entries[0].Proof.Checkpoint = change(b.Entries[0].Proof.Checkpoint) })
}

// TestStripped checks that posting an entry first, without its proofs, suppresses nothing: a
// bundle with more proofs is stored in addition, and one with fewer is not.
func TestStripped(t *testing.T) {
	t.Parallel()
	i := hallmarktest.Start(t, hallmarktest.Options{Witness: true, Evidence: true})
	e := storeOf(t, i)
	digest, raw := signed(t, i, "a release")
	stripped := func(ours bool) []byte {
		return checkpointOf(t, raw, func(checkpoint []byte) []byte {
			text, lines, _ := bytes.Cut(checkpoint, []byte("\n\n"))
			kept := append(text, "\n\n"...)
			for line := range bytes.Lines(lines) {
				if !bytes.Contains(line, []byte("witness")) {
					kept = append(kept, line...)
				} else if !ours {
					kept = append(kept, fmt.Sprintf("— witness.example.com %s\n", strings.Repeat("AAAA", 25))...)
				}
			}
			return kept
		})
	}
	for _, one := range [][]byte{stripped(true), stripped(false), raw, stripped(true), raw} {
		if err := e.Put(t.Context(), digest, one); err != nil {
			t.Fatal(err)
		}
	}
	got, err := e.Get(t.Context(), digest)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d bundles, %v", len(got), err)
	}
	if !bytes.Equal(got[1], raw) {
		t.Errorf("the bundle with cosignatures is not among them")
	}
}

// TestPadded checks that unverified lines on a checkpoint, which anyone can add, are bounded.
func TestPadded(t *testing.T) {
	t.Parallel()
	i := hallmarktest.New(t)
	digest, raw := signed(t, i, "content")
	fat := checkpointOf(t, raw, func(checkpoint []byte) []byte {
		return append(checkpoint, strings.Repeat("— nobody.example.com "+strings.Repeat("AAAA", 1200)+"\n", 90)...)
	})
	e := open(t, i.Root, t.TempDir(), 1<<30)
	if got := status(t, e.Put(t.Context(), digest, fat)); got != http.StatusRequestEntityTooLarge {
		t.Errorf("%d bytes too many: %d", len(fat)-len(raw), got)
	}
}

// TestManySubjects checks that one log entry that names ten thousand digests can't fill the
// store under all of them.
func TestManySubjects(t *testing.T) {
	t.Parallel()
	i := hallmarktest.New(t)
	e := open(t, i.Root, t.TempDir(), 1<<30)
	for n, want := range map[int]int{100: http.StatusCreated, intoto.MaxSubjects: http.StatusRequestEntityTooLarge} {
		statement := intoto.Statement{Type: intoto.TypeV1, PredicateType: sbom, Predicate: []byte(`{"x":"` + strings.Repeat("A", 100<<10) + `"}`)}
		var digest [sha256.Size]byte
		for k := range n {
			digest = sha256.Sum256(fmt.Append(nil, k))
			statement.Subject = append(statement.Subject, intoto.Subject{Digest: map[string]string{"sha256": hex.EncodeToString(digest[:])}})
		}
		payload, err := statement.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		b, err := i.Signer(t, alice).Envelope(t.Context(), dsse.PayloadTypeInToto, payload)
		err = e.Put(t.Context(), digest[:], marshal(t, b, err))
		if want == http.StatusCreated {
			if err != nil {
				t.Errorf("of %d subjects: %v", n, err)
			}
		} else if got := status(t, err); got != want {
			t.Errorf("of %d subjects: %d", n, got)
		}
	}
}

// TestShares checks that one account leaves room on a digest for others.
func TestShares(t *testing.T) {
	testkit.Sequential(t)
	t.Parallel()
	i := hallmarktest.New(t)
	digest, honest := signed(t, i, "the release that alice will sign")
	e := open(t, i.Root, t.TempDir(), 1<<30)
	size, taken := 15<<20, 0
	for k := 0; size > 1000; k++ {
		predicate := fmt.Sprintf(`{"n":%d,"x":"%s"}`, k, strings.Repeat("A", size))
		raw := attestedBy(t, i, "mallory@example.com", digest, sbom, predicate)
		if err := e.Put(t.Context(), digest, raw); err == nil {
			taken += len(raw)
		} else if size /= 2; status(t, err) != http.StatusConflict {
			t.Fatal(err)
		}
	}
	if taken > attestations.MaxBytes/2 || taken < attestations.MaxBytes/4 {
		t.Errorf("one account has %d bytes", taken)
	}
	if err := e.Put(t.Context(), digest, honest); err != nil {
		t.Errorf("another's %d bytes: %v", len(honest), err)
	}
}
