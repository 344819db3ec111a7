package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/wire/intoto"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

func inspectCommand(env cli.Environment) *cobra.Command {
	var f registryFlags
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "inspect BUNDLE|FILE|IMAGE...",
		Short: "Tell in words what bundles claim",
		Long: `Prints what is in each BUNDLE, in the bundles beside each FILE, and in those on each IMAGE.
Nothing of it is verified: these are claims, of whoever wrote the file or put it there.`,
		Example: `  hallmark inspect release.tar.gz.sigstore.json
  hallmark inspect release.tar.gz                    # the bundles beside it
  hallmark inspect registry.example.com/app:v1`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			registry, err := f.registry(timeout)
			if err != nil {
				return err
			}
			if args, err = f.expand(cmd.Context(), registry, args); err != nil {
				return err
			}
			return inspect(cmd.Context(), env, registry, args)
		},
	}
	f.add(cmd)
	cli.AddTimeout(cmd, &timeout, time.Minute)
	return cmd
}

// inspect describes all that can be read, and then fails for the rest.
func inspect(ctx context.Context, env cli.Environment, registry *lookup.Registry, args []string) error {
	var failed verdict.Failures
	for _, arg := range args {
		claims, err := registry.Claims(ctx, arg)
		if err != nil {
			failed = append(failed, err)
		}
		for _, c := range claims {
			if c.Problem != nil {
				failed = append(failed, c.Problem)
				continue
			}
			if err := tellClaim(env, c); err != nil {
				return err
			}
		}
	}
	return failed.OrNil()
}

// claimedBundle is what a bundle claims, for machines: nothing of it is verified.
type claimedBundle struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Claims  []cli.Row `json:"claims"`
}

func tellClaim(env cli.Environment, c lookup.Claim) error {
	a := describeClaim(c)
	if env.JSON {
		return env.PrintJSON(claimedBundle{Name: c.Name, Version: fmt.Sprintf("0.%d", c.Bundle.Version), Claims: a.Lines})
	}
	_, err := fmt.Fprint(env.Stdout, a.String())
	return err
}

// describeClaim returns a bundle in words.
func describeClaim(c lookup.Claim) *cli.Table {
	a := new(cli.Table)
	b := c.Bundle
	fmt.Fprintf(a, "%s: a Sigstore bundle v0.%d; nothing in it has been verified\n", verdict.Printable(c.Name), b.Version)
	describeContent(a, b)
	if c.Payload != nil {
		a.Line("payload", "in the form of cosign 1 and 2, %s", shortened(c.Payload))
	}
	describeKey(a, b)
	for _, raw := range b.Timestamps {
		describeTimestamp(a, raw)
	}
	for _, entry := range b.Entries {
		describeEntry(a, entry)
	}
	return a
}

func describeContent(a *cli.Table, b *bundle.Bundle) {
	if b.Message != nil {
		a.Line("signs", "an artifact")
		if b.Message.Hash != 0 {
			a.Line("digest", "%s", verdict.DigestText(b.Message.Hash, b.Message.Digest))
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

// shortened is the beginning of a text that may be megabytes.
func shortened(text []byte) string {
	const limit = 4000
	if len(text) <= limit {
		return string(text)
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(string(text[:limit]), ""), len(text))
}

func describeKey(a *cli.Table, b *bundle.Bundle) {
	if len(b.Certificates) == 0 {
		a.Line("key", "one that the verifier must have, hint %s", b.KeyHint)
		return
	}
	describeCertificate(a, b.Certificates[0])
}

func describeCertificate(a *cli.Table, der []byte) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.Line("certificate", "can't be read: %v", err)
		return
	}
	id, err := identity.FromCertificate(cert)
	if err != nil {
		a.Line("signer", "none that can be read: %v", err)
	} else {
		a.Line("signer", "%s (%s)", id.Subject.Value, id.Subject.Type)
		a.Line("issuer", "%s", id.Issuer)
		describeBuild(a, id.Build)
	}
	a.Line("certificate", "valid %s to %s, serial %s", verdict.Clock(cert.NotBefore), verdict.Clock(cert.NotAfter), hex.EncodeToString(cert.SerialNumber.Bytes()))
	scts, err := sct.Embedded(cert)
	if err != nil {
		a.Line("CT log", "timestamps can't be read: %v", err)
	}
	for _, s := range scts {
		a.Line("CT log", "%s", hex.EncodeToString(s.LogID[:]))
	}
}

func describeBuild(a *cli.Table, b identity.Build) {
	for _, field := range [][2]string{
		{"built by", b.SignerURI}, {"source", b.SourceRepositoryURI}, {"ref", b.SourceRepositoryRef},
		{"commit", b.SourceRepositoryDigest}, {"trigger", b.Trigger}, {"run", b.RunInvocationURI},
	} {
		if field[1] != "" {
			a.Line(field[0], "%s", field[1])
		}
	}
}

func describeTimestamp(a *cli.Table, raw []byte) {
	token, err := timestamp.ParseResponse(raw)
	if err != nil {
		a.Line("timestamp", "can't be read: %v", err)
		return
	}
	a.Line("timestamp", "%s, policy %s", verdict.Clock(token.Time), token.Policy)
}

func describeEntry(a *cli.Table, e rekor.Entry) {
	a.Line("log entry", "%d, %s %s, of log %s", e.LogIndex, e.Kind, e.Version, hex.EncodeToString(e.LogID))
	if e.Proof != nil {
		origin, _, _ := strings.Cut(string(e.Proof.Checkpoint), "\n")
		a.Line("proof", "entry %d of a tree of %d, checkpoint of %s", e.Proof.Index, e.Proof.Size, origin)
	}
	if len(e.SignedEntryTimestamp) > 0 {
		a.Line("promise", "a signed entry timestamp; its time counts once it is verified")
	}
}
