// Package publickey reads public keys in the forms in which people have them: SPKI
// (RFC 5280 §4.1) and PKCS #1 (RFC 8017) in PEM or DER, X.509 certificates, whose key is
// taken and nothing else, and the line of an OpenSSH key (RFC 4253 §6.6, RFC 5656,
// RFC 8709). Points of elliptic curves may be compressed (RFC 5480 §2.2).
//
// It refuses whatever else comes with a message that names the form and the way to one
// that is read, and files of more than one key.
package publickey
