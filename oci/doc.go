// Package oci finds and puts Sigstore bundles on images in registries, where
// cosign 3 puts and finds them: each bundle is the one layer of a manifest whose
// subject is the image.
//
// A list of what hangs on an image comes from the referrers API, or from the
// fallback tag where the registry has no such API, or lists no bundle. Where no bundle
// hangs on it, or Older is asked, the tags are looked at under which cosign 1 and 2
// left signatures; AttachLegacy leaves some there, behind what there is. There are
// three answers to
// "is it signed?": bundles, none, or *RegistryError: the registry could not be looked
// at. None is said only of an image that the registry has. Manifests and bundles
// are held to their digests, sizes and limits; what is wrong with one of them is
// said of that one, and the others are still given. Whether a bundle proves
// anything is for package verify.
//
// A Repository is what images are copied from and to (package transfer). What hangs
// on an image is taken off it only after it was read, and seen to be no part of it
// and nothing that a tag names.
//
// Connections are TLS; plain HTTP is for loopback addresses, unless Options say
// so. Credentials are those that docker and podman keep, and are sent to nobody
// but the registry and the token service that it names.
//
// Source: OCI distribution-spec v1.1 ("Listing Referrers", "Referrers Tag
// Schema", "Pushing Manifests with Subject"), OCI image-spec v1.1 manifest.md;
// media types and annotations as cosign 3.1 writes them, and cosign's
// specs/SIGNATURE_SPEC.md for the older form. Proof: interop has
// cosign and two registries judge what this package wrote, and it read what they
// have.
package oci
