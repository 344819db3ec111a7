// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
)

// addEvidence adds --evidence, which says which evidence store takes part. Without one, no
// verb opens a connection to any.
func addEvidence(cmd *cobra.Command, env cli.Environment, address *string, use string) {
	cmd.Flags().StringVar(address, "evidence", env.Getenv("HALLMARK_EVIDENCE"), "`URL` of an instance that keeps bundles, "+use+" (environment: HALLMARK_EVIDENCE; --evidence '' is none)")
}
