// SPDX-License-Identifier: Apache-2.0

// Package client calls the services of an instance over HTTP: its certificate authority,
// transparency log, timestamp authority and evidence store, and the trust files that it
// publishes.
//
// Every response is limited in size and time and read by the strict parser of its format.
// Claims in responses are not verified here: the signing caller verifies the whole bundle at
// the end (package verify). Requests to a service that is busy or restarting (429, 503) are
// repeated while the context lasts, as its Retry-After says, which is safe for each service.
// Redirects are not followed: the signing config has the services' addresses.
//
// Source: Fulcio API v2 (fulcio.proto), Rekor v2 specification, RFC 3161 §3.4 with
// status 200, which most authorities use, or the 201 of sigstore/timestamp-authority.
package client
