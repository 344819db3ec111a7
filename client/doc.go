// SPDX-License-Identifier: Apache-2.0

// Package client asks the services of an instance over HTTP: its certificate
// authority, transparency log, timestamp authority and evidence store, and the
// trust files that it publishes.
//
// Every answer is limited in size and time and read by the strict parser of its
// format. What an answer claims is not verified here: whoever signs verifies the
// whole bundle in the end (package verify). A service that is busy or restarting
// (429, 503) is asked again while the context lasts, as its Retry-After says;
// asking again is safe with each of them. Redirects are not followed: a service
// is where the signing config says.
//
// Source: Fulcio API v2 (fulcio.proto), Rekor v2 specification, RFC 3161 §3.4 with
// status 200, which most authorities use, or the 201 of sigstore/timestamp-authority.
package client
