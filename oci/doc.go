// SPDX-License-Identifier: Apache-2.0

// Package oci attaches Sigstore bundles to images in registries and finds them,
// in the way of cosign 3: each bundle is the only layer of a manifest whose
// subject is the image.
//
// Attachments are listed by the referrers API. The fallback tag is read if the
// registry has no such API, or if the API lists no bundle. If no bundle is
// found, or [Client.LegacySignatures] is called, the tags of cosign 1 and 2 are
// read too; [Client.AttachLegacy] appends signatures there. There are three
// answers to "is it signed?": bundles, none, or a *[RegistryError] if the
// registry could not be consulted. None is returned only for an image that the
// registry has. Manifests and bundles are checked against their digests, sizes
// and limits. A fault in one of them is reported for that one, and the others
// are still returned. Package verify verifies the bundles.
//
// A [Repository] is a source or target of copies (package transfer). An
// attachment is removed only after it has been read and found to be neither
// part of the image nor named by a tag.
//
// Connections use TLS. Plain HTTP is allowed only to loopback addresses, unless
// [Options] allow more. Credentials are those that docker and podman store.
// They are sent only to the registry and to the token service that it names.
//
// Source: OCI distribution-spec v1.1 ("Listing Referrers", "Referrers Tag
// Schema", "Pushing Manifests with Subject"), OCI image-spec v1.1 manifest.md;
// media types and annotations as cosign 3.1 writes them, and cosign's
// specs/SIGNATURE_SPEC.md for the older form. In interop, cosign and two
// registries read what this package wrote, and it reads what they wrote.
package oci
