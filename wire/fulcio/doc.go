// SPDX-License-Identifier: Apache-2.0

// Package fulcio reads and writes the messages of the Fulcio certificate
// authority: the request for a signing certificate with its proof of
// possession, the certificate chain in the response, the trust bundle and the
// configuration. It covers API v2 and the API v1 that older clients use.
//
// [ParseRequest] refuses unknown and duplicate members, trailing data, a key
// and a certificate signing request together, keys that are not in the Sigstore
// algorithm registry, and bodies above [MaxRequest]. Responses are parsed as
// strictly, except that unknown members are ignored, since later servers may
// add some.
//
// Source: Fulcio's fulcio.proto and fulcio_legacy.proto as JSON; the proof of
// possession as docs/how-certificate-issuing-works.md describes it.
package fulcio
