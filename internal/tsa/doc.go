// SPDX-License-Identifier: Apache-2.0

// Package tsa implements the timestamp authority, which signs digests with RFC 3161 tokens.
//
//	POST /api/v1/timestamp            201, application/timestamp-reply
//	GET  /api/v1/timestamp/certchain  PEM, the authority's own certificate first
//
// A request is application/timestamp-query in DER (RFC 3161), or the JSON that
// sigstore-js sends. The response is DER for both. A refusal has the form of
// its request: a TimeStampResp with status rejection for DER, and
// {"code":3,"message":"…","details":[]} for JSON and everything else. The HTTP
// status is 400 for an invalid request, and 503 with Retry-After if no time is
// available. RFC 3161 §3.4 does not specify the status, but clients check it
// first.
//
// A request has at most 8 KiB. A token has a random 160-bit serial
// number and the time of the clock in whole seconds. Times never decrease from
// token to token. If the clock goes back by at most a second, as when it is
// being disciplined, the last time is repeated. If it goes back further,
// requests are refused (timeNotAvailable) until it has caught up, since it is
// wrong now or was wrong before. The last time is not stored across restarts.
//
// Source: RFC 3161, RFC 5816. TestOpenSSL has openssl(1) request and verify.
package tsa
