// SPDX-License-Identifier: Apache-2.0

// Package ctlog is the certificate transparency log of the certificate
// authority. It logs precertificates and returns signed certificate timestamps.
//
// It has no submission endpoint: the only submitter is the authority in the
// same process, which calls [Log.AddPrecert]. A timestamp is returned only when
// its entry is in the tree and on the disk, at the index of its leaf_index
// extension, so there is no merge delay.
//
// The log is served read-only under /ct/, by static-ct-api:
//
//	/ct/checkpoint           tree head, signed as RFC 6962 tree heads are
//	/ct/tile/<L>/<N>[.p/<W>] hashes
//	/ct/tile/data/<N>…       entries: leaf, precertificate, issuers' fingerprints
//	/ct/issuer/<fingerprint> an issuer's certificate, DER
//
// Entries are not deduplicated, since each precertificate has its own serial
// number. A tree head is signed once per size. That of an idle log therefore
// grows old, although RFC 6962 §3.5 requires a new signature daily.
//
// Source: RFC 6962 §3, https://c2sp.org/static-ct-api.
package ctlog
