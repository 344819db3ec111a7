// SPDX-License-Identifier: Apache-2.0

// Package rekorlog implements the transparency log of signatures: a Rekor v2 server.
//
//	POST /api/v2/log/entries                  application/json, at most 8 MiB; 201
//	GET  /api/v2/checkpoint
//	GET  /api/v2/tile/<L>/<N>[.p/<W>]
//	GET  /api/v2/tile/entries/<N>[.p/<W>]
//
// It accepts requests that package rekor parses and whose signature verifies
// with the key inside. It responds when the entry is on the disk and covered by
// the checkpoint in the response. A repeated entry gets the same index, with
// 201, because clients treat other statuses as failures. All error responses
// are in problems.go.
//
// Source: Rekor v2 specification (sigstore/architecture-docs), C2SP tlog-tiles.
package rekorlog
