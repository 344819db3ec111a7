// SPDX-License-Identifier: Apache-2.0

package readlog

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// A provenEntry is an inclusion proof as JSON.
type provenEntry struct {
	Index      uint64      `json:"index"`
	TreeSize   uint64      `json:"treeSize"`
	LeafHash   tlog.Hash   `json:"leafHash"`
	RootHash   tlog.Hash   `json:"rootHash"`
	Hashes     []tlog.Hash `json:"hashes"`
	Checkpoint string      `json:"checkpoint"`
}

// Prove prints the inclusion proof of an entry, verified.
func (f Flags) Prove(ctx context.Context, env cli.Environment, name string, index uint64) error {
	l, err := f.open(ctx, env, name)
	if err != nil {
		return err
	}
	e, proof, err := l.Prove(ctx, l.head, index)
	if err != nil {
		return l.problem(env, err)
	}
	out := provenEntry{index, proof.Size, e.Leaf, l.head.Root, append([]tlog.Hash{}, proof.Hashes...), string(l.head.Envelope)}
	if env.JSON {
		return env.PrintJSON(out)
	}
	var a cli.Table
	fmt.Fprintf(&a, "entry %d of %d, of %s: proven\n", out.Index, out.TreeSize, fault.Printable(l.head.Origin))
	a.Line("leaf hash", "%v", out.LeafHash)
	a.Hashes(out.Hashes)
	a.Line("root", "%v, as the checkpoint has it:", out.RootHash)
	a.Text(l.head.Envelope)
	_, err = fmt.Fprint(env.Stdout, a.String())
	return err
}

// A provenTrees is a consistency proof as JSON.
type provenTrees struct {
	OldSize uint64      `json:"oldSize"`
	OldRoot tlog.Hash   `json:"oldRootHash"`
	NewSize uint64      `json:"newSize"`
	NewRoot tlog.Hash   `json:"newRootHash"`
	Hashes  []tlog.Hash `json:"hashes"`
}

// Consistency prints the proof that one tree begins with another, verified. Each is a size or
// a file with a checkpoint.
func (f Flags) Consistency(ctx context.Context, env cli.Environment, name, a, b string) error {
	l, err := f.open(ctx, env, name)
	if err != nil {
		return err
	}
	old, err := l.at(ctx, env, a)
	if err != nil {
		return err
	}
	later, err := l.at(ctx, env, b)
	if err != nil {
		return err
	}
	if old.Size > later.Size {
		old, later = later, old
	}
	proof, err := l.Consistency(ctx, l.head, old.Size, later.Size)
	if err == nil {
		err = tile.VerifyConsistency(proof, old.Size, old.Root, later.Size, later.Root)
	}
	if err != nil {
		return l.problem(env, err)
	}
	out := provenTrees{old.Size, old.Root, later.Size, later.Root, append([]tlog.Hash{}, proof...)}
	if env.JSON {
		return env.PrintJSON(out)
	}
	var text cli.Table
	fmt.Fprintf(&text, "%s: the first %d of %d entries are the same: proven\n", fault.Printable(l.head.Origin), out.OldSize, out.NewSize)
	text.Line("old root", "%v", out.OldRoot)
	text.Hashes(out.Hashes)
	text.Line("new root", "%v", out.NewRoot)
	_, err = fmt.Fprint(env.Stdout, text.String())
	return err
}

// at returns the tree of a size, or of the checkpoint in a file. The current log must begin
// with that tree.
func (l *openLog) at(ctx context.Context, env cli.Environment, text string) (*logread.Head, error) {
	if size, err := strconv.ParseUint(text, 10, 60); err == nil {
		h := &logread.Head{}
		h.Size = size
		h.Root, err = l.RootAt(ctx, l.head, size)
		return h, l.problem(env, err)
	}
	h, err := l.kept(text)
	if err != nil {
		return nil, err
	}
	root, err := l.RootAt(ctx, l.head, h.Size)
	if err == nil && root != h.Root {
		err = &logread.Fork{Old: h, New: l.head, Reason: text + " is of another history than the log's"}
		l.showFork(env, err)
	}
	return h, l.problem(env, err)
}

// kept reads a checkpoint of this log from a file.
func (l *openLog) kept(file string) (*logread.Head, error) {
	return find.Parsed(file, 1<<20, func(raw []byte) (*logread.Head, error) {
		h, err := l.Open(raw)
		if err == nil && h.Origin != l.head.Origin {
			err = fmt.Errorf("it is a checkpoint of %q, not of %q", h.Origin, l.head.Origin)
		}
		return h, err
	})
}

// showFork prints the two checkpoints that prove a fork if err is one.
func (l *openLog) showFork(env cli.Environment, err error) {
	fork := new(logread.Fork)
	if !errors.As(err, &fork) {
		return
	}
	for _, one := range []*logread.Head{fork.Old, fork.New} {
		var a cli.Table
		a.Text(one.Envelope)
		env.Say("a checkpoint of %d entries:", one.Size)
		fmt.Fprint(env.Stderr, a.String())
	}
}
