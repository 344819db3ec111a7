package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

func logProveCommand(env cli.Environment) *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:   "prove LOG INDEX",
		Short: "Prove that an entry is in the log",
		Long: `Makes the inclusion proof (RFC 6962 §2.1.1) of the entry at INDEX from the log's tiles, and
verifies it against the checkpoint that the log shows, which is printed with it.`,
		Example: `  hallmark log prove https://sign.example.com 17
  hallmark log prove my-instance/ct 3 --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := number(cmd, args[1])
			if err != nil {
				return err
			}
			return f.prove(cmd.Context(), env, args[0], index)
		},
	}
	f.add(cmd)
	return cmd
}

// provenEntry is an inclusion proof for machines.
type provenEntry struct {
	Index      uint64      `json:"index"`
	TreeSize   uint64      `json:"treeSize"`
	LeafHash   tlog.Hash   `json:"leafHash"`
	RootHash   tlog.Hash   `json:"rootHash"`
	Hashes     []tlog.Hash `json:"hashes"`
	Checkpoint string      `json:"checkpoint"`
}

func (f logFlags) prove(ctx context.Context, env cli.Environment, name string, index uint64) error {
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
	fmt.Fprintf(&a, "entry %d of %d, of %s: proven\n", out.Index, out.TreeSize, verdict.Printable(l.head.Origin))
	a.Line("leaf hash", "%v", out.LeafHash)
	a.Hashes(out.Hashes)
	a.Line("root", "%v, as the checkpoint has it:", out.RootHash)
	a.Text(l.head.Envelope)
	_, err = fmt.Fprint(env.Stdout, a.String())
	return err
}

func logConsistencyCommand(env cli.Environment) *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:   "consistency LOG A B",
		Short: "Prove that a log has only grown",
		Long: `A and B are sizes of the log, or files with checkpoints of it. Proves (RFC 6962 §2.1.2) that
the smaller tree is what the larger one begins with, and that both are in the log as it
is now.`,
		Example: `  hallmark log consistency https://sign.example.com 100 200
  hallmark log consistency https://sign.example.com last-year.checkpoint today.checkpoint --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.consistency(cmd.Context(), env, args[0], args[1], args[2])
		},
	}
	f.add(cmd)
	return cmd
}

// provenTrees is a consistency proof for machines.
type provenTrees struct {
	OldSize uint64      `json:"oldSize"`
	OldRoot tlog.Hash   `json:"oldRootHash"`
	NewSize uint64      `json:"newSize"`
	NewRoot tlog.Hash   `json:"newRootHash"`
	Hashes  []tlog.Hash `json:"hashes"`
}

func (f logFlags) consistency(ctx context.Context, env cli.Environment, name, a, b string) error {
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
	fmt.Fprintf(&text, "%s: the first %d of %d entries are the same: proven\n", verdict.Printable(l.head.Origin), out.OldSize, out.NewSize)
	text.Line("old root", "%v", out.OldRoot)
	text.Hashes(out.Hashes)
	text.Line("new root", "%v", out.NewRoot)
	_, err = fmt.Fprint(env.Stdout, text.String())
	return err
}

// at is the tree of a size, or of the checkpoint in a file, which must be one that the
// log as it is now begins with.
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

// kept is a checkpoint of this log, in a file.
func (l *openLog) kept(file string) (*logread.Head, error) {
	raw, err := verdict.ReadFile(file, 1<<20)
	if err != nil {
		return nil, err
	}
	h, err := l.Open(raw)
	if err == nil && h.Origin != l.head.Origin {
		err = fmt.Errorf("it is a checkpoint of %q, not of %q", h.Origin, l.head.Origin)
	}
	if err != nil {
		return nil, verdict.Unreadable(file, err)
	}
	return h, nil
}

// showFork shows the two checkpoints that are evidence, if that is what err is.
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
