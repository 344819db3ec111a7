// SPDX-License-Identifier: Apache-2.0

package describe

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/wire/intoto"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// A described holds the unverified claims of a bundle, as JSON.
type described struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Claims  []cli.Row `json:"claims"`
}

// claim returns the table for a bundle of which nothing has been verified.
func claim(c lookup.Claim) *cli.Table {
	a := new(cli.Table)
	b := c.Bundle
	fmt.Fprintf(a, "%s: a Sigstore bundle v0.%d; nothing in it has been verified\n", fault.Printable(c.Name), b.Version)
	addContent(a, b)
	if c.Payload != nil {
		a.Line("payload", "in the form of cosign 1 and 2, %s", shortened(c.Payload))
	}
	addKey(a, b)
	for _, raw := range b.Timestamps {
		addTimestamp(a, raw)
	}
	for _, entry := range b.Entries {
		addEntry(a, entry)
	}
	return a
}

func addContent(a *cli.Table, b *bundle.Bundle) {
	if b.Message != nil {
		a.Line("signs", "an artifact")
		if b.Message.Hash != 0 {
			a.Line("digest", "%s", find.DigestText(b.Message.Hash, b.Message.Digest))
		}
		return
	}
	a.Line("signs", "an envelope of type %s, %d bytes", b.Envelope.PayloadType, len(b.Envelope.Payload))
	statement, err := intoto.Parse(b.Envelope.Payload)
	if err != nil {
		return
	}
	a.Line("attests", "%s", statement.PredicateType)
	for _, s := range statement.Subject {
		for algorithm, digest := range s.Digest {
			a.Line("subject", "%s %s:%s", s.Name, algorithm, digest)
		}
	}
	a.Line("predicate", "%s", shortened(statement.Predicate))
}

// shortened returns the beginning of a text, which may have megabytes.
func shortened(text []byte) string {
	const limit = 4000
	if len(text) <= limit {
		return string(text)
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(string(text[:limit]), ""), len(text))
}

func addKey(a *cli.Table, b *bundle.Bundle) {
	if len(b.Certificates) == 0 {
		a.Line("key", "one that the verifier must have, hint %s", b.KeyHint)
		return
	}
	addCertificate(a, b.Certificates[0])
}

func addTimestamp(a *cli.Table, raw []byte) {
	token, err := timestamp.ParseResponse(raw)
	if err != nil {
		a.Line("timestamp", "can't be read: %v", err)
		return
	}
	a.Line("timestamp", "%s, policy %s", report.Clock(token.Time), token.Policy)
}

func addEntry(a *cli.Table, e rekor.Entry) {
	a.Line("log entry", "%d, %s %s, of log %s", e.LogIndex, e.Kind, e.Version, hex.EncodeToString(e.LogID))
	if e.Proof != nil {
		origin, _, _ := strings.Cut(string(e.Proof.Checkpoint), "\n")
		a.Line("proof", "entry %d of a tree of %d, checkpoint of %s", e.Proof.Index, e.Proof.Size, origin)
	}
	if len(e.SignedEntryTimestamp) > 0 {
		a.Line("promise", "a signed entry timestamp; its time counts once it is verified")
	}
}
