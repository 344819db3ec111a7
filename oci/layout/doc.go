// SPDX-License-Identifier: Apache-2.0

// Package layout reads and writes images in a directory, in the format of the
// OCI image layout, which other tools support too:
//
//	DIR/oci-layout            {"imageLayoutVersion":"1.0.0"}
//	DIR/index.json            an index of the images and their attachments
//	DIR/blobs/sha256/HEX      manifests and blobs, by digest
//
// [Open] reads a directory, or a .tar of one; [Create] creates or extends a
// directory. An image is listed under its tag
// (org.opencontainers.image.ref.name) and under its whole name
// (io.containerd.image.name), since several repositories may have a v1.
// Attachments are listed with their artifactType. Other tools do not list them:
// Open finds those among the blobs by their subject. The only image of a layout
// is marked for cosign (cosign.go).
//
// A layout is untrusted: nothing outside of the directory is opened, whatever
// names and links it has. Only regular files with the size of the descriptor
// are opened, and their digest is verified.
//
// Blobs are written to temporary files, synced, and renamed. index.json is
// replaced last and atomically: a reader sees the old list or the new one.
//
// Source: OCI image-spec v1.1 image-layout.md and annotations.md. In interop,
// go-containerregistry reads what is saved, cosign verifies what was saved and
// loaded again, and hallmark and cosign load each other's layouts
// (TestLayouts).
package layout
