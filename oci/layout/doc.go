// Package layout keeps images in a directory, in the form of the OCI image layout,
// which other tools read and write as well:
//
//	DIR/oci-layout            {"imageLayoutVersion":"1.0.0"}
//	DIR/index.json            an index of the images in it, and of what hangs on them
//	DIR/blobs/sha256/HEX      manifests and blobs, by digest
//
// Open reads a directory, or a .tar of one; Create makes or extends a directory. An
// image is listed under its tag (org.opencontainers.image.ref.name), and under its
// whole name (io.containerd.image.name), as several repositories have a v1. What
// is attached to a manifest is listed with its artifactType. Other tools do not list it:
// Open finds it among the blobs, by its subject. The one image of a layout is marked for
// cosign (cosign.go).
//
// A layout is a stranger's: nothing is opened outside of the directory, whatever
// its names and links say; what is opened is a regular file of the size that its
// descriptor says, and held to its digest.
//
// Blobs are written under another name, synced, and renamed. index.json is replaced
// last, at once: a reader sees the old list or the new.
//
// Source: OCI image-spec v1.1 image-layout.md and annotations.md. Proof: interop has
// go-containerregistry read what is saved, cosign verify what was saved and loaded
// again, and each of hallmark and cosign load what the other has saved (TestLayouts).
package layout
