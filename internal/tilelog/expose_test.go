// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// An absent is a Cosigner whose witnesses do not cosign, after a delay.
type absent struct{ after time.Duration }

func (a absent) Cosign(context.Context, []byte, uint64, func(uint64) ([]tlog.Hash, error)) ([]byte, error) {
	time.Sleep(a.after)
	return nil, errors.New("no witness answers")
}

// TestWitnessedFromNowOn checks that a log which starts to require witnesses does not answer
// entries with checkpoints published before without cosignatures.
func TestWitnessedFromNowOn(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]tilelog.Cosigner{"asked before": absent{}, "not asked before": nil} {
		o := testOptions(t, t.TempDir())
		o.Cosigner = before
		l := mustOpen(t, o)
		mustAppend(t, l, "an entry")
		mustClose(t, l)
		o.Cosigner, o.Witnessed = absent{time.Second}, true
		l = mustOpen(t, o)
		if r, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("an entry")}); !errors.Is(err, tilelog.ErrUnwitnessed) {
			t.Errorf("%s: answered with %q, %v", name, r.Checkpoint, err)
		}
		mustClose(t, l)
	}
}

// A seeing is a Cosigner whose witnesses know the log by the key of another signature line.
type seeing struct {
	key note.Verifier
}

func (s seeing) Cosign(_ context.Context, envelope []byte, _ uint64, _ func(uint64) ([]tlog.Hash, error)) ([]byte, error) {
	if _, _, err := checkpoint.Open(envelope, s.key); err != nil {
		return nil, err
	}
	return append(bytes.Clone(envelope), "— witness.example.com AAAAAAAA\n"...), nil
}

// TestSignerAdded checks that a log which gets a second key, for witnesses, signs its existing
// checkpoint with it too. Otherwise no checkpoint would ever be cosigned.
func TestSignerAdded(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	mustAppend(t, l, "an entry")
	mustClose(t, l)
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, ed25519.SeedSize))
	signer, err := checkpoint.NewSigner(origin, key)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := checkpoint.NewVerifier(origin, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	o.Signers = append(o.Signers, signer)
	o.Cosigner, o.Witnessed = seeing{key: verifier}, true
	l = mustOpen(t, o)
	if r := mustAppend(t, l, "an entry"); r.Index != 0 || r.Size != 1 {
		t.Errorf("%+v", r)
	}
}
