// Package keys is the signing keys of an instance and of people: made, written
// under a passphrase, and read back.
//
//	-----BEGIN ENCRYPTED PRIVATE KEY-----   PKCS #8, PBES2: scrypt, AES-256-CBC
//
// openssl pkey reads what is written here. What is read is, besides, PKCS #8
// under PBKDF2, and unencrypted PKCS #8, SEC 1 and PKCS #1. A file holds one key
// and nothing else, and the key must be in the Sigstore algorithm registry. The
// cost of a passphrase that a file asks for is limited before it is paid.
//
// Source: RFC 5958, RFC 8018 §6.2, RFC 7914, RFC 7468. TestOpenSSL has openssl(1)
// read ours, and reads those of openssl.
package keys
