// Package tsa is the timestamp authority: digests in, RFC 3161 tokens out.
//
//	POST /api/v1/timestamp            201, application/timestamp-reply
//	GET  /api/v1/timestamp/certchain  PEM, the authority's own certificate first
//
// A request is application/timestamp-query in DER, as RFC 3161 has it, or the
// JSON that sigstore-js sends; the answer that grants it is DER for both. A
// refusal comes in the form of its request: a TimeStampResp with status rejection
// for DER, {"code":3,"message":"…","details":[]} for JSON and for everything
// else, whose readers look for a message there. The HTTP status says it too: 400
// for what is wrong with the request, 503 with Retry-After when no time can be
// given now. RFC 3161 §3.4 leaves the status open, and signers look at it first.
//
// A request has at most MaxRequest bytes, a token random 160-bit serial number
// and a time in whole seconds that is the clock's. No token says an earlier time
// than one before it. A clock that goes back by up to MaxStepBack, as one that is
// being disciplined does, has the last time given out repeated; one that goes
// back further has requests refused (timeNotAvailable) until it has caught up,
// for either it is wrong now or it was wrong before. What was given out is
// forgotten when the process ends.
//
// Source: RFC 3161, RFC 5816. TestOpenSSL has openssl(1) ask and verify.
package tsa
