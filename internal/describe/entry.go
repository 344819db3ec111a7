// SPDX-License-Identifier: Apache-2.0

package describe

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

// An Entry is a log entry as JSON: its body in a Rekor log, its time and precertificate in
// a CT log, otherwise its bytes.
type Entry struct {
	Index          uint64          `json:"index"`
	LeafHash       string          `json:"leafHash"`
	Body           json.RawMessage `json:"body,omitempty"`
	Timestamp      *time.Time      `json:"timestamp,omitempty"`
	Precertificate []byte          `json:"precertificate,omitempty"`
	Entry          []byte          `json:"entry,omitempty"`
}

// NewEntry returns an entry of a log of this format.
func NewEntry(format logread.Format, e logread.Entry) Entry {
	out := Entry{Index: e.Index, LeafHash: e.Leaf.String()}
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

// Logged returns the text for an entry that was proven to be in the log with this head.
func Logged(head *logread.Head, e logread.Entry) string {
	var a cli.Table
	fmt.Fprintf(&a, "entry %d of %d, of %s\n", e.Index, head.Size, fault.Printable(head.Origin))
	if head.Format.Name == logread.CT().Name {
		addLeaf(&a, e.Raw)
	} else {
		addBody(&a, e.Raw)
	}
	a.Line("leaf hash", "%v, proven to be in the tree with root %v", e.Leaf, head.Root)
	return a.String()
}

func addLeaf(a *cli.Table, raw []byte) {
	leaf, _, err := sct.ParseLeaf(raw)
	if err != nil {
		a.Line("kind", "unknown: %v", err)
		return
	}
	a.Line("kind", "precertificate")
	a.Line("logged", "%s", report.Clock(time.UnixMilli(int64(leaf.Timestamp))))
	addCertificate(a, leaf.PreCertificate)
	if len(leaf.Chain) > 0 {
		a.Line("issued by", "the certificate with SHA-256 %s", hex.EncodeToString(leaf.Chain[0][:]))
	}
}

func addBody(a *cli.Table, raw []byte) {
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
			a.Line(digest.name, "%s", find.DigestText(digest.Hash, digest.Value))
		}
	}
	for _, s := range body.Signatures {
		if len(s.Verifier.Certificate) > 0 {
			addCertificate(a, s.Verifier.Certificate)
		} else if key, err := x509.ParsePKIXPublicKey(s.Verifier.PublicKey); err != nil {
			a.Line("key", "can't be read: %v", err)
		} else {
			a.Line("key", "%s", judge.KeyFingerprint(key))
		}
	}
}
