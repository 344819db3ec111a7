// SPDX-License-Identifier: Apache-2.0

// Command hallmark-verify verifies files against their Sigstore bundles and does
// nothing else: no network, no server, no signing, no conditions in policies. It
// is the verify verb of hallmark for places where every megabyte and every line
// counts.
//
//	hallmark-verify --trusted-root trusted_root.json --policy policy.yaml FILE...
//	hallmark-verify --trusted-root trusted_root.json --identity ID --issuer URL FILE...
//	hallmark-verify --trusted-root trusted_root.json --key key.pub FILE...
package main
