// SPDX-License-Identifier: Apache-2.0

// Package keys generates the signing keys of instances and people, encrypts
// them with a passphrase, and reads them.
//
//	-----BEGIN ENCRYPTED PRIVATE KEY-----   PKCS #8, PBES2: scrypt, AES-256-CBC
//
// openssl pkey reads the written keys. Besides these, the package reads PKCS #8
// with PBKDF2, and unencrypted PKCS #8, SEC 1 and PKCS #1. A file must have
// exactly one key, which must be in the Sigstore algorithm registry. The cost
// of decryption that a file specifies is checked first.
//
// Source: RFC 5958, RFC 8018 §6.2, RFC 7914, RFC 7468. TestOpenSSL has
// openssl(1) read our keys, and reads those of openssl.
package keys
