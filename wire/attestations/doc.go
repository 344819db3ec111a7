// Package attestations is GitHub's attestations API: bundles by the digest of what
// they are about, without the bundles' own format, which package bundle reads.
//
//	GET  …/sha256:9f86…  200 {"attestations":[{"bundle":{…}},{"bundle":{…}}]}
//	                     Link: <https://…?after=2&per_page=2>; rel="next"
//	                     404 {"message":"no bundle of this digest is kept here","status":"404"}
//	POST …/sha256:9f86…  {"bundle":{…}}
//	                     201 {"id":3}
//
// A request is refused when it has another member than bundle; in an answer, whose
// writer may be newer, others are passed by. The bundle itself is left as the bytes
// that came, in which nothing is known yet to be in order but the JSON.
//
// Source: docs.github.com, REST API, "List attestations" and "Create an
// attestation" (version 2022-11-28); RFC 8288 for Link.
package attestations
