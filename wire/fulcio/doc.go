// Package fulcio is the messages of the Fulcio certificate authority: the
// request for a signing certificate with its proof of possession, the chain in
// the answer, the trust bundle and the configuration, of API v2 and of the v1
// that older clients speak.
//
// ParseRequest refuses unknown and doubled members, trailing data, a key and a
// certificate signing request together, keys that are not in the Sigstore
// algorithm registry, and bodies above MaxRequest. Answers are read with the
// same care, but members that later servers add are ignored.
//
// Source: Fulcio's fulcio.proto and fulcio_legacy.proto as JSON; the proof of
// possession as docs/how-certificate-issuing-works.md says.
package fulcio
