// SPDX-License-Identifier: Apache-2.0

// Package instance is the directory of an instance: made once, then opened to be
// served.
//
//	DIR/hallmark.yaml          configuration
//	DIR/keys/root-ca.pem       signs the authorities below; meant to leave the machine
//	DIR/keys/{intermediate-ca,tsa,rekor,ct,issuer}.pem
//	DIR/trust/                 what it publishes, see trust.Files
//
// Keys are PKCS #8 under a passphrase. Certificates stand in the trusted root and
// nowhere else: what is served is what clients have been told.
//
// Create makes all of it beside DIR and renames it into place, so that there is a
// whole instance or none; it never overwrites. The transparency logs and the
// accounts come later, from package server.
package instance
