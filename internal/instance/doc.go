// SPDX-License-Identifier: Apache-2.0

// Package instance creates and opens the directory of an instance.
//
//	DIR/hallmark.yaml          configuration
//	DIR/keys/root-ca.pem       signs the authorities below; meant to leave the machine
//	DIR/keys/{intermediate-ca,tsa,rekor,ct,issuer}.pem
//	DIR/trust/                 published files, see trust.Files
//
// Keys are PKCS #8 under a passphrase. Certificates are stored in the trusted root only, so
// the services always use the certificates that clients have been given.
//
// Create writes everything next to DIR and renames it into place, so that the instance is
// complete or missing. It never overwrites. Package server creates the transparency logs and
// the accounts later.
package instance
