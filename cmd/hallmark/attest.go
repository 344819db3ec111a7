// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/signing"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

func attestCommand(env cli.Environment) *cobra.Command {
	var f signing.Request
	var predicate, kind string
	cmd := &cobra.Command{
		Use:   "attest SUBJECT... --predicate FILE --type TYPE",
		Short: "Say something about files and images, signed and logged",
		Long: `Signs an in-toto statement: that the predicate in FILE, JSON of the type given, is true
of every SUBJECT. It is one statement with one signature, however many there are.

The bundle becomes a line of SUBJECT.sigstore.jsonl, beside the signatures that may be
there; that of an image is put on the image, where cosign 3 finds it too. With --evidence
URL it is also left in the evidence store of an instance, with each SUBJECT's digest.`,
		Example: `  hallmark attest registry.example.com/app:v1 --predicate sbom.json --type spdx
  hallmark attest a.zip b.zip --predicate provenance.json --type slsaprovenance1
  hallmark verify a.zip --type slsaprovenance1 --identity … --issuer …`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, err := cli.PredicateType(kind)
			if predicate == "" || kind == "" {
				err = errors.New("--predicate and --type are needed")
			}
			if err == nil {
				err = f.Check()
			}
			if err != nil {
				return cli.UsageError(cmd, err)
			}
			f.Add = f.Add || f.Bundle == ""
			env.CollectMore()
			return f.Attest(cmd.Context(), env, args, predicate, uri)
		},
	}
	addSigning(cmd, env, &f)
	cmd.Flags().StringVar(&predicate, "predicate", "", "`FILE` with the predicate (JSON, at most 100 MiB)")
	cmd.Flags().StringVar(&kind, "type", "", "`TYPE` of the predicate: "+cli.OneOf(append(intoto.Names(), "a URI")))
	cli.Complete(cmd, "type", intoto.Names()...)
	cmd.MarkFlagsMutuallyExclusive("key", "identity-token", "email")
	return cmd
}
