package dsse

import (
	"hash"
	"strconv"
)

// PayloadTypeInToto is the payload type of an in-toto statement (in-toto
// attestation framework, envelope layer).
const PayloadTypeInToto = "application/vnd.in-toto+json"

// Envelope is a payload and the signatures over PAE(PayloadType, Payload).
type Envelope struct {
	PayloadType string
	Payload     []byte
	Signatures  []Signature
}

// Signature is one signature of an envelope. KeyID is an unauthenticated hint
// (protocol.md) and must decide nothing.
type Signature struct {
	KeyID string
	Sig   []byte
}

// PAE is the bytes that the envelope's signatures are over.
func (e Envelope) PAE() []byte { return PAE(e.PayloadType, e.Payload) }

// PAE is the pre-authentication encoding (protocol.md, "Signature Definition"):
//
//	DSSEv1 28 application/vnd.in-toto+json 2 {}
//
// lengths are ASCII decimal numbers of bytes, so that no payload type can run
// into the payload.
func PAE(payloadType string, payload []byte) []byte {
	return append(head(payloadType, len(payload), len(payload)), payload...)
}

// WritePAE writes the same bytes into a hash, without a copy of the payload.
func WritePAE(h hash.Hash, payloadType string, payload []byte) {
	h.Write(head(payloadType, len(payload), 0))
	h.Write(payload)
}

// head is the encoding up to the payload of size bytes, with room for more.
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
