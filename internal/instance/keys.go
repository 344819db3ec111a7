// SPDX-License-Identifier: Apache-2.0

package instance

import "crypto"

// Keys holds the signing keys of a running instance. The root's key is not included.
type Keys struct {
	CA    crypto.Signer // of CAChain[0]
	TSA   crypto.Signer // of TSAChain[0]
	Rekor crypto.Signer
	Note  crypto.Signer // Ed25519: the log's checkpoints, for witnesses and readers of tlog-tiles
	CT    crypto.Signer

	// The built-in login signs ID tokens with IssuerRSA as RS256, which every client supports,
	// and with Issuer, ECDSA P-256, for clients that are configured for ES256.
	Issuer, IssuerRSA crypto.Signer
}
