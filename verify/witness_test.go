// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

func newWitness(t *testing.T, seed byte) (note.Signer, checkpoint.Key) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	name := "witness.example.com/" + string('a'+rune(seed))
	signer, err := checkpoint.NewCosigner(name, key, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return signer, checkpoint.Key{Name: name, Public: key.Public().(ed25519.PublicKey), Cosigning: true}
}

// cosign adds the lines of witnesses to the bundle's checkpoint.
func cosign(t *testing.T, b *bundle.Bundle, witnesses ...note.Signer) {
	t.Helper()
	envelope := b.Entries[0].Proof.Checkpoint
	text := envelope[:bytes.Index(envelope, []byte("\n\n"))+1]
	cosigned, err := note.Sign(&note.Note{Text: string(text)}, witnesses...)
	if err != nil {
		t.Fatal(err)
	}
	b.Entries[0].Proof.Checkpoint = append(bytes.Clone(envelope), cosigned[len(text)+1:]...)
}

// TestWitnesses checks that enough of the policy's witnesses must have cosigned, that each
// counts once, and that lines of others and invalid lines are ignored.
func TestWitnesses(t *testing.T) {
	in := newInstance(t, "witnessed")
	v, err := verify.New(in.root)
	if err != nil {
		t.Fatal(err)
	}
	a, keyA := newWitness(t, 1)
	b, keyB := newWitness(t, 2)
	c, _ := newWitness(t, 3)
	other := in.sign(t, []byte("another artifact"), order{})
	cosign(t, other, b)
	for name, one := range map[string]struct {
		by      []note.Signer
		from    *bundle.Bundle // source of a cosignature for this checkpoint
		want    int
		refused bool
	}{
		"none asked for":          {want: 0},
		"both":                    {by: []note.Signer{a, b}, want: 2},
		"one of two":              {by: []note.Signer{b}, want: 1},
		"one, two wanted":         {by: []note.Signer{a}, want: 2, refused: true},
		"the same one twice":      {by: []note.Signer{a, a}, want: 2, refused: true},
		"a stranger":              {by: []note.Signer{a, c}, want: 2, refused: true},
		"a stranger beside":       {by: []note.Signer{c, a, b}, want: 2},
		"a cosignature of others": {by: []note.Signer{a}, from: other, want: 2, refused: true},
	} {
		signed := in.sign(t, artifact, order{})
		cosign(t, signed, one.by...)
		if one.from != nil {
			lines := bytes.SplitAfter(one.from.Entries[0].Proof.Checkpoint, []byte("\n"))
			signed.Entries[0].Proof.Checkpoint = slices.Concat(signed.Entries[0].Proof.Checkpoint, lines[len(lines)-2])
		}
		policy := trustAlice
		policy.WitnessPolicies = []checkpoint.WitnessPolicy{checkpoint.AtLeast(one.want, []checkpoint.Key{keyA, keyB})}
		result, err := v.Verify(signed, verify.FromReader(bytes.NewReader(artifact)), policy)
		if one.refused {
			refused(t, err, verify.StepLog, verify.ThresholdWitnesses)
			continue
		}
		if err != nil || len(result.Entries[0].Witnesses) < one.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWitnessPolicies checks that a policy applies to the logs that it lists, and that several
// policies must all be met.
func TestWitnessPolicies(t *testing.T) {
	in := newInstance(t, "covered")
	v, err := verify.New(in.root)
	if err != nil {
		t.Fatal(err)
	}
	a, keyA := newWitness(t, 1)
	_, keyB := newWitness(t, 2)
	origin, _, _ := bytes.Cut(in.sign(t, artifact, order{}).Entries[0].Proof.Checkpoint, []byte("\n"))
	log := checkpoint.Key{Name: string(origin), Public: keyA.Public}
	other := checkpoint.Key{Name: "other." + string(origin), Public: keyA.Public}
	byA, byB := []checkpoint.Key{keyA}, []checkpoint.Key{keyB}
	for name, one := range map[string]struct {
		policies []checkpoint.WitnessPolicy
		refused  bool
	}{
		"of this log":         {[]checkpoint.WitnessPolicy{checkpoint.AtLeast(1, byA, log)}, false},
		"of this log, b":      {[]checkpoint.WitnessPolicy{checkpoint.AtLeast(1, byB, log)}, true},
		"of another log":      {[]checkpoint.WitnessPolicy{checkpoint.AtLeast(1, byB, other)}, false},
		"of this and another": {[]checkpoint.WitnessPolicy{checkpoint.AtLeast(1, byB, other, log)}, true},
		"two, one not met":    {[]checkpoint.WitnessPolicy{checkpoint.AtLeast(1, byA), checkpoint.AtLeast(1, byB, log)}, true},
		"two":                 {[]checkpoint.WitnessPolicy{checkpoint.AtLeast(1, byA), checkpoint.AtLeast(1, byA, log)}, false},
	} {
		signed := in.sign(t, artifact, order{})
		cosign(t, signed, a)
		policy := trustAlice
		policy.WitnessPolicies = one.policies
		_, err := v.Verify(signed, verify.FromReader(bytes.NewReader(artifact)), policy)
		if one.refused {
			refused(t, err, verify.StepLog, verify.ThresholdWitnesses)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
