package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// maxStatement is the longest in-toto statement that is signed, in bytes.
const maxStatement = 16 << 20

// signBundleCommand speaks the conformance suite's protocol.
func signBundleCommand(env environment) *cobra.Command {
	var f signFlags
	var inToto bool
	cmd := &cobra.Command{
		Use:    "sign-bundle [--in-toto] --bundle FILE ARTIFACT",
		Short:  "Sign as the Sigstore conformance suite asks for it",
		Hidden: true,
		Args:   usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.bundle == "" {
				return usageError(cmd, errors.New("--bundle is missing"))
			}
			if inToto {
				return f.attest(cmd.Context(), env, args[0])
			}
			return f.sign(cmd.Context(), env, args)
		},
	}
	f.add(cmd, env)
	cmd.Flags().BoolVar(&inToto, "in-toto", false, "ARTIFACT is an in-toto statement to be signed as an envelope")
	return cmd
}

// attest signs an in-toto statement, and verifies the bundle against the first of
// its subjects that can be.
func (f signFlags) attest(ctx context.Context, env environment, file string) error {
	payload, err := readFile(file, maxStatement)
	if err != nil {
		return err
	}
	statement, err := intoto.Parse(payload)
	if err != nil {
		return unreadable(file, err)
	}
	artifact, err := verdict.SubjectOf(statement)
	if err != nil {
		return unreadable(file, err)
	}
	if err := f.checkTargets([]string{f.bundle}, []string{file}); err != nil {
		return err
	}
	s, err := f.session(ctx, env)
	if err != nil {
		return err
	}
	signer, policy, err := s.signer()
	if err != nil {
		return err
	}
	b, err := signer.Envelope(ctx, dsse.PayloadTypeInToto, payload)
	if err != nil {
		return about(file, err)
	}
	return s.finish(ctx, b, artifact, policy, file, f.bundle)
}

// verifyBundleCommand speaks the conformance suite's protocol.
func verifyBundleCommand(env environment) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:    "verify-bundle --bundle FILE FILE_OR_DIGEST",
		Short:  "Verify as the Sigstore conformance suite asks for it",
		Hidden: true,
		Args:   usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(f.bundles) == 0 {
				return usageError(cmd, errors.New("--bundle is missing"))
			}
			if err := f.check(args); err != nil {
				return usageError(cmd, err)
			}
			return f.verify(cmd.Context(), env, args)
		},
	}
	f.trust.add(cmd, false)
	cmd.Flags().StringVar(&f.policy.identity, "certificate-identity", "", "who must have signed")
	cmd.Flags().StringVar(&f.policy.issuer, "certificate-oidc-issuer", "", "who must have vouched for them")
	cmd.Flags().StringVar(&f.policy.key, "key", "", "public key `FILE` that must have signed")
	cmd.Flags().StringArrayVar(&f.bundles, "bundle", nil, "`FILE` with the bundle")
	return cmd
}
