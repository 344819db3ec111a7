// SPDX-License-Identifier: Apache-2.0

// Package attestations reads and writes the messages of GitHub's attestations
// API, which stores bundles by the digest of their subject. It does not parse
// the bundles; package bundle does.
//
//	GET  …/sha256:9f86…  200 {"attestations":[{"bundle":{…}},{"bundle":{…}}]}
//	                     Link: <https://…?after=2&per_page=2>; rel="next"
//	                     404 {"message":"no bundle of this digest is kept here","status":"404"}
//	POST …/sha256:9f86…  {"bundle":{…}}
//	                     201 {"id":3}
//
// A request may have no member other than bundle. In a response, other members
// are ignored, since the server may be newer. A bundle is returned as the bytes
// that were received. It is valid JSON, but nothing else about it has been
// checked.
//
// Source: docs.github.com, REST API, "List attestations" and "Create an
// attestation" (version 2022-11-28); RFC 8288 for Link.
package attestations
