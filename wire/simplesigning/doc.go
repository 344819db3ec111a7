// Package simplesigning is the payload that cosign 1 and 2 signed for a container
// image: which manifest the signature is about.
//
// Parse refuses duplicate keys, trailing data and other types of payload. What the
// payload says beside the digest is the signer's and is not read.
//
// Source: containers/image docs/containers-signature.5.md ("JSON data format");
// cosign specs/SIGNATURE_SPEC.md ("Payload").
package simplesigning
