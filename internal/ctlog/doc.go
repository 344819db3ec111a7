// Package ctlog is the certificate-transparency log of the certificate
// authority: precertificates in, signed certificate timestamps out.
//
// It has no submission endpoint: the one submitter is the authority in the same
// process, which calls [Log.AddPrecert] between precertificate and certificate.
// A timestamp is given out when its entry is in the tree and on the disk, at the
// index that its leaf_index extension names, so there is no merge delay.
//
// What the log holds is served read-only under /ct/, by static-ct-api:
//
//	/ct/checkpoint           tree head, signed as RFC 6962 tree heads are
//	/ct/tile/<L>/<N>[.p/<W>] hashes
//	/ct/tile/data/<N>…       entries: leaf, precertificate, issuers' fingerprints
//	/ct/issuer/<fingerprint> an issuer's certificate, DER
//
// Entries are not looked up for duplicates: each precertificate has a serial of
// its own. A tree head is signed once per size, when it grows; so that of an idle
// log grows old, where RFC 6962 §3.5 would have it signed anew within a day.
//
// Source: RFC 6962 §3, https://c2sp.org/static-ct-api.
package ctlog
