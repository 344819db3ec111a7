// Package transfer carries an image from one place to another, whole: every
// platform, and everything that hangs on it, on its platforms, and on what hangs
// there. A place is a repository of a registry (oci.Repository) or a directory
// (layout.Dir).
//
// Digests stay what they are, as manifests are put byte for byte. Blobs are
// streamed, and held to their digest and size before their last byte is written.
// What the target has is not sent, so that a transfer that was cut short goes on
// when it is begun again. Children are put before their parents and the tag last of
// all, and only if nothing is missing: who pulls by the tag gets the old image or
// the new one, whole. At the end the target is asked for all of it.
//
// What could not be carried is in the Report, with the reason. It is complete only
// if nothing is.
//
// Source: OCI image-spec v1.1 manifest.md and image-index.md, distribution-spec
// v1.1. Proof: interop copies signed images between three registries and through a
// directory, and cosign verifies them there.
package transfer
