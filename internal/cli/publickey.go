// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/publickey"
)

// ReadPublicKey reads a file with a public key.
func ReadPublicKey(file string) (crypto.PublicKey, error) {
	raw, err := find.ReadFile(file, publickey.MaxFile)
	if err != nil {
		return nil, err
	}
	key, err := publickey.Parse(raw)
	if err != nil {
		return nil, fault.Unreadable(file, err)
	}
	return key, nil
}
