// SPDX-License-Identifier: Apache-2.0

package dsse

import (
	"hash"
	"strconv"
)

// PayloadTypeInToto is the payload type of an in-toto statement (in-toto
// attestation framework, envelope layer).
const PayloadTypeInToto = "application/vnd.in-toto+json"

// An Envelope is a payload and the signatures over PAE(PayloadType, Payload).
type Envelope struct {
	PayloadType string
	Payload     []byte
	Signatures  []Signature
}

// A Signature is one signature of an envelope. KeyID is an unauthenticated hint
// (protocol.md); no decision may depend on it.
type Signature struct {
	KeyID string
	Sig   []byte
}

// PAE returns the bytes that the envelope's signatures cover.
func (e Envelope) PAE() []byte { return PAE(e.PayloadType, e.Payload) }

// PAE returns the pre-authentication encoding (protocol.md, "Signature
// Definition"):
//
//	DSSEv1 28 application/vnd.in-toto+json 2 {}
//
// Lengths are decimal numbers of bytes, so that the boundary between payload
// type and payload is unambiguous.
func PAE(payloadType string, payload []byte) []byte {
	return append(head(payloadType, len(payload), len(payload)), payload...)
}

// WritePAE writes the same bytes as [PAE] into h, without copying the payload.
func WritePAE(h hash.Hash, payloadType string, payload []byte) {
	h.Write(head(payloadType, len(payload), 0))
	h.Write(payload)
}

// head returns the encoding up to a payload of size bytes, with capacity for
// room more bytes.
func head(payloadType string, size, room int) []byte {
	out := make([]byte, 0, len("DSSEv1   ")+2*20+len(payloadType)+room)
	out = append(out, "DSSEv1 "...)
	out = strconv.AppendInt(out, int64(len(payloadType)), 10)
	out = append(out, ' ')
	out = append(out, payloadType...)
	out = append(out, ' ')
	out = strconv.AppendInt(out, int64(size), 10)
	return append(out, ' ')
}
