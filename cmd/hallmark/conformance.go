// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/signing"
	"github.com/hallmark-sign/hallmark/internal/verifying"
)

// signBundleCommand speaks the conformance suite's protocol.
func signBundleCommand(env cli.Environment) *cobra.Command {
	var f signing.Request
	var inToto bool
	cmd := &cobra.Command{
		Use:    "sign-bundle [--in-toto] --bundle FILE ARTIFACT",
		Short:  "Sign as the Sigstore conformance suite asks for it",
		Hidden: true,
		Args:   cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.Bundle == "" {
				return cli.UsageError(cmd, errors.New("--bundle is missing"))
			}
			if inToto {
				return f.SignStatement(cmd.Context(), env, args[0])
			}
			return f.Sign(cmd.Context(), env, args)
		},
	}
	addSigning(cmd, env, &f)
	cmd.Flags().BoolVar(&inToto, "in-toto", false, "ARTIFACT is an in-toto statement to be signed as an envelope")
	return cmd
}

// verifyBundleCommand speaks the conformance suite's protocol.
func verifyBundleCommand(env cli.Environment) *cobra.Command {
	var f verifying.Verification
	cmd := &cobra.Command{
		Use:    "verify-bundle --bundle FILE FILE_OR_DIGEST",
		Short:  "Verify as the Sigstore conformance suite asks for it",
		Hidden: true,
		Args:   cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(f.Bundles) == 0 {
				return cli.UsageError(cmd, errors.New("--bundle is missing"))
			}
			if err := f.Check(args); err != nil {
				return cli.UsageError(cmd, err)
			}
			return f.Run(cmd.Context(), env, args)
		},
	}
	addTrust(cmd, &f.Trust, false)
	cmd.Flags().StringVar(&f.Accept.Identity, "certificate-identity", "", "who must have signed")
	cmd.Flags().StringVar(&f.Accept.Issuer, "certificate-oidc-issuer", "", "who must have vouched for them")
	cmd.Flags().StringVar(&f.Accept.Key, "key", "", "public key `FILE` that must have signed")
	cmd.Flags().StringArrayVar(&f.Bundles, "bundle", nil, "`FILE` with the bundle")
	return cmd
}
