// SPDX-License-Identifier: Apache-2.0

// Command hallmark-verify verifies files against their Sigstore bundles and does
// nothing else: no network, no server, no signing, no conditions in policies. It
// is the verify verb of hallmark for places where every megabyte and every line
// counts.
//
//	hallmark-verify --policy policy.yaml FILE...
//	hallmark-verify --identity ID --issuer URL --instance NAME FILE...
//	hallmark-verify --key key.pub --trusted-root trusted_root.json FILE...
//
// The trusted root is that of an instance which hallmark has pinned, or a file.
package main
