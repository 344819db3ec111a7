// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/operate"
)

func initCommand(env cli.Environment) *cobra.Command {
	var o operate.NewInstance
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make an instance: keys, certificates, configuration",
		Long: `Makes DIR with everything a Sigstore instance needs: hallmark.yaml, keys under a
passphrase, and the trust files that clients get. DIR must be missing or empty.

The passphrase has ` + operate.PassphraseRule + `, and comes from --passphrase-file,
HALLMARK_PASSPHRASE or a prompt. Afterwards,
take DIR/keys/root-ca.pem off this machine: it is needed only to make new authorities.

The files for TLS are read and checked, stay where they are, and are written into
hallmark.yaml with their full paths.`,
		Example: `  hallmark init my-instance
  hallmark init --url https://sign.example.com --listen 0.0.0.0:443 \
      --tls-certificate /etc/tls/cert.pem --tls-key /etc/tls/key.pem my-instance
  hallmark init --url https://sign.example.com --listen 127.0.0.1:7500 my-instance   # behind a proxy`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.Make(cmd.Context(), env, args[0])
		},
	}
	cmd.Flags().StringVar(&o.URL, "url", "", "where clients reach the instance; can't be changed later (default http://LISTEN, https:// with TLS)")
	cmd.Flags().StringVar(&o.Listen, "listen", operate.DefaultListen, "address to listen on")
	cmd.Flags().StringVar(&o.Organization, "organization", "hallmark", "name in the certificates")
	cmd.Flags().StringVar(&o.CAKey, "ca-key", "ecdsa-p256", "kind of the issuing key, and of the root's unless it is RSA: ecdsa-p256, ecdsa-p384, ecdsa-p521, rsa-3072, rsa-4096")
	cli.Complete(cmd, "ca-key", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-3072", "rsa-4096")
	cmd.Flags().BoolVar(&o.PlainHTTPUnsafe, "plain-http-unsafe", false, "allow plain HTTP beyond loopback, behind a proxy that speaks TLS")
	cmd.Flags().StringVar(&o.TLS.Certificate, "tls-certificate", "", "PEM `FILE` with the certificate to speak TLS with, and those between it and its root")
	cmd.Flags().StringVar(&o.TLS.Key, "tls-key", "", "PEM `FILE` with its key")
	cmd.MarkFlagsRequiredTogether("tls-certificate", "tls-key")
	cmd.Flags().StringVar(&o.PassphraseFile, "passphrase-file", "", "`FILE` with the passphrase for the keys, of "+operate.PassphraseRule)
	return cmd
}
