// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto"

	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/publickey"
)

// ReadPublicKey reads a file with a public key.
func ReadPublicKey(file string) (crypto.PublicKey, error) {
	return find.Parsed(file, publickey.MaxFile, publickey.Parse)
}
