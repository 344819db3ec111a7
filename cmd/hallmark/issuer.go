// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/operate"
)

func issuerCommand(env cli.Environment) *cobra.Command {
	var f operate.Issuers
	cmd := &cobra.Command{
		Use:   "issuer",
		Short: "Manage whose ID tokens an instance accepts",
		Long: `Edits issuers in hallmark.yaml, whose comments stay, and has a running server take the
change at once. If the server refuses it, the file gets back what it had.`,
		Example: `  hallmark issuer add -c my-instance/hallmark.yaml github --allow repository_owner=octo-org
  hallmark issuer add -c my-instance/hallmark.yaml gitlab --url https://git.corp.example.com
  hallmark issuer list -c my-instance/hallmark.yaml
  hallmark issuer try-token -c my-instance/hallmark.yaml token.txt`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cli.AddConfig(cmd.PersistentFlags(), &f.Config, "")
	needConfig := func(cmd *cobra.Command, _ []string) error {
		if f.Config == "" {
			return cli.UsageError(cmd, errors.New("which instance? give -c DIR"))
		}
		return nil
	}
	complete := func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return f.URLs(), cobra.ShellCompDirectiveNoFileComp
	}
	for _, verb := range []*cobra.Command{issuerAddCommand(env, &f), {
		Use: "list", Short: "List the issuers", Args: cli.UsageArgs(cobra.NoArgs),
		Example: "  hallmark issuer list -c my-instance/hallmark.yaml",
		RunE:    func(*cobra.Command, []string) error { return f.List(env) },
	}, {
		Use: "show URL|TYPE", Short: "Show the settings of an issuer", Args: cli.UsageArgs(cobra.ExactArgs(1)), ValidArgsFunction: complete,
		Example: "  hallmark issuer show -c my-instance/hallmark.yaml https://gitlab.com",
		RunE:    func(_ *cobra.Command, args []string) error { return f.Show(env, args[0]) },
	}, {
		Use: "remove URL|TYPE", Short: "Accept no more tokens of an issuer", Args: cli.UsageArgs(cobra.ExactArgs(1)), ValidArgsFunction: complete,
		Example: "  hallmark issuer remove -c my-instance/hallmark.yaml https://gitlab.com",
		RunE:    func(cmd *cobra.Command, args []string) error { return f.Remove(cmd.Context(), env, args[0]) },
	}, {
		Use: "try-token FILE", Short: "Show which certificate a token would get", Args: cli.UsageArgs(cobra.ExactArgs(1)),
		Long: `Checks the ID token in FILE as the certificate authority does, and prints the certificate
that it would get, field by field with the claims they come from, or the reason why it would
get none. The token is sent nowhere; the keys of its issuer are fetched.`,
		Example: "  hallmark issuer try-token -c my-instance/hallmark.yaml token.txt",
		RunE:    func(cmd *cobra.Command, args []string) error { return f.TryToken(cmd.Context(), env, args[0]) },
	}} {
		verb.PreRunE = needConfig
		cmd.AddCommand(verb)
	}
	return cmd
}

func issuerAddCommand(env cli.Environment, f *operate.Issuers) *cobra.Command {
	var n operate.NewIssuer
	cmd := &cobra.Command{
		Use:   "add TYPE",
		Short: "Accept the tokens of an issuer",
		Long: `Adds an issuer. TYPE says what becomes the subject of a certificate:
` + strings.Join(operate.IssuerTypes(), ", ") + `.

A rule is CLAIM=PATTERN, or several with commas, which must all match. A star stands for any
characters but / and @, two stars for any characters. --allow and --deny may be repeated: a
token must meet one --allow, if there are any, and no --deny. An issuer that gives tokens to
anyone, such as GitHub, needs --allow.`,
		Example: `  hallmark issuer add -c my-instance/hallmark.yaml github --allow repository_owner=octo-org,ref=refs/tags/*
  hallmark issuer add -c my-instance/hallmark.yaml gitlab --url https://git.corp.example.com
  hallmark issuer add -c my-instance/hallmark.yaml email --url https://login.corp.example.com --allow email=*@corp.example.com
  hallmark issuer add -c my-instance/hallmark.yaml spiffe --url https://oidc.corp.example.com --trust-domain corp.example.com`,
		Args:      cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgs: operate.IssuerTypes(),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Type = args[0]
			return f.Add(cmd.Context(), env, n)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&n.URL, "url", "", "`URL` of the issuer, exactly as its tokens have it in iss (default: the service's own)")
	flags.StringVar(&n.Audience, "audience", "", "what its tokens must have in aud (default: sigstore)")
	flags.StringVar(&n.SubjectDomain, "subject-domain", "", "of uri: scheme and host of the subjects; of username: the domain of the names")
	flags.StringVar(&n.TrustDomain, "trust-domain", "", "of spiffe: the trust domain of the subjects")
	flags.StringArrayVar(&n.Allow, "allow", nil, "`RULE` that a token must meet; may be repeated")
	flags.StringArrayVar(&n.Deny, "deny", nil, "`RULE` that a token must not meet; may be repeated")
	flags.BoolVar(&n.AllowAllUnsafe, "allow-all-unsafe", false, "allow all tokens of an issuer that gives tokens to anyone")
	return cmd
}
