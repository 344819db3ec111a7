package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

func logShowCommand(env cli.Environment) *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:   "show LOG INDEX",
		Short: "Tell in words what an entry says",
		Long: `Prints the entry at INDEX, counted from 0, once it is proven to be in the log. That the log
has it does not make it true: 'hallmark verify' judges signatures. --json has it as it is.`,
		Example: `  hallmark log show https://sign.example.com 17
  hallmark log show my-instance/ct 3 --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := number(cmd, args[1])
			if err != nil {
				return err
			}
			return f.show(cmd.Context(), env, args[0], index)
		},
	}
	f.add(cmd)
	return cmd
}

func (f logFlags) show(ctx context.Context, env cli.Environment, name string, index uint64) error {
	l, err := f.open(ctx, env, name)
	if err != nil {
		return err
	}
	for e, err := range l.Entries(ctx, l.head, index, index+1) {
		if err != nil {
			return l.problem(env, err)
		}
		if env.JSON {
			return env.PrintJSON(newShownEntry(l.head.Format, e))
		}
		if _, err := fmt.Fprint(env.Stdout, describeLogged(l.head, e)); err != nil {
			return err
		}
	}
	return nil
}

// shownEntry is an entry for machines: the body of a Rekor log, the time and the
// precertificate of a CT log; else the bytes.
type shownEntry struct {
	Index          uint64          `json:"index"`
	LeafHash       string          `json:"leafHash"`
	Body           json.RawMessage `json:"body,omitempty"`
	Timestamp      *time.Time      `json:"timestamp,omitempty"`
	Precertificate []byte          `json:"precertificate,omitempty"`
	Entry          []byte          `json:"entry,omitempty"`
}

func newShownEntry(format logread.Format, e logread.Entry) shownEntry {
	out := shownEntry{Index: e.Index, LeafHash: e.Leaf.String()}
	switch leaf, _, err := sct.ParseLeaf(e.Raw); {
	case format.Name == logread.CT().Name && err == nil:
		at := time.UnixMilli(int64(leaf.Timestamp)).UTC()
		out.Timestamp, out.Precertificate = &at, leaf.PreCertificate
	case isBody(e.Raw):
		out.Body = e.Raw
	default:
		out.Entry = e.Raw
	}
	return out
}

func isBody(raw []byte) bool {
	_, err := rekor.ParseBody(raw)
	return err == nil
}

// describeLogged is an entry in words.
func describeLogged(head *logread.Head, e logread.Entry) string {
	var a cli.Table
	fmt.Fprintf(&a, "entry %d of %d, of %s\n", e.Index, head.Size, verdict.Printable(head.Origin))
	if head.Format.Name == logread.CT().Name {
		describeLeaf(&a, e.Raw)
	} else {
		describeBody(&a, e.Raw)
	}
	a.Line("leaf hash", "%v, proven to be in the tree with root %v", e.Leaf, head.Root)
	return a.String()
}

func describeLeaf(a *cli.Table, raw []byte) {
	leaf, _, err := sct.ParseLeaf(raw)
	if err != nil {
		a.Line("kind", "unknown: %v", err)
		return
	}
	a.Line("kind", "precertificate")
	a.Line("logged", "%s", verdict.Clock(time.UnixMilli(int64(leaf.Timestamp))))
	describeCertificate(a, leaf.PreCertificate)
	if len(leaf.Chain) > 0 {
		a.Line("issued by", "the certificate with SHA-256 %s", hex.EncodeToString(leaf.Chain[0][:]))
	}
}

func describeBody(a *cli.Table, raw []byte) {
	body, err := rekor.ParseBody(raw)
	if err != nil {
		a.Line("kind", "unknown, %d bytes: %v", len(raw), err)
		return
	}
	a.Line("kind", "%s %s", body.Kind, body.Version)
	for _, digest := range []struct {
		name string
		rekor.Digest
	}{{"digest", body.Data}, {"payload", body.PayloadHash}} {
		if digest.Hash != 0 {
			a.Line(digest.name, "%s", verdict.DigestText(digest.Hash, digest.Value))
		}
	}
	for _, s := range body.Signatures {
		if len(s.Verifier.Certificate) > 0 {
			describeCertificate(a, s.Verifier.Certificate)
		} else if key, err := x509.ParsePKIXPublicKey(s.Verifier.PublicKey); err != nil {
			a.Line("key", "can't be read: %v", err)
		} else {
			a.Line("key", "%s", verdict.KeyFingerprint(key))
		}
	}
}
