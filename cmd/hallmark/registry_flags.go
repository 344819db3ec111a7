// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/images"
)

// addRegistry adds the flags of verbs that take an image alone, or with its platforms.
func addRegistry(cmd *cobra.Command, f *images.Reach) {
	addReach(cmd, f)
	cmd.Flags().BoolVar(&f.Recursive, "recursive", false, "take every platform of an image as well")
}

// addReach adds the flags of verbs that take an image as a whole in any case, or alone.
func addReach(cmd *cobra.Command, f *images.Reach) {
	cmd.Flags().StringVar(&f.CACert, "registry-cacert", "", "`FILE` with the certificate authorities (PEM) of registries, instead of the system's")
	cmd.Flags().BoolVar(&f.PlainUnsafe, "registry-plain-http", false, "allow registries on other machines that speak no TLS: anyone on the network can read the credentials, and alter what they answer")
}
