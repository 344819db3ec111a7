// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/verifying"
)

// addDetached adds flags for what cosign 1 and 2 kept in files of their own.
func addDetached(cmd *cobra.Command, f *verifying.Detached) {
	cmd.Flags().StringVar(&f.Signature, "signature", "", "`FILE` with a detached signature, in place of a bundle")
	cmd.Flags().StringVar(&f.Certificate, "certificate", "", "`FILE` with the certificate of --signature")
	cmd.Flags().StringVar(&f.Chain, "certificate-chain", "", "`FILE` with the chain of --certificate")
	cmd.Flags().StringVar(&f.Entry, "log-entry", "", "`FILE` with the Rekor entry of --signature")
	cmd.Flags().StringVar(&f.Timestamp, "timestamp", "", "`FILE` with the RFC 3161 timestamp of --signature")
}
