// SPDX-License-Identifier: Apache-2.0

// Package transfer copies a complete image: every platform, its attachments,
// and their attachments in turn. Source and target are repositories of a
// registry (oci.Repository) or directories (layout.Dir).
//
// Digests do not change, since manifests are copied byte for byte. Blobs are
// streamed and verified before their last byte is written. Blobs that the
// target has are not sent, so that an interrupted transfer can be continued.
// Children are written before their parents and the tag last, and only if
// nothing is missing: clients that pull by tag get the old or the new image,
// complete. Finally, the target is checked for everything.
//
// The [Report] lists what could not be copied, with the reason.
//
// Source: OCI image-spec v1.1 manifest.md and image-index.md, distribution-spec
// v1.1. In interop, signed images are copied between three registries and
// through a directory, and cosign verifies them there.
package transfer
