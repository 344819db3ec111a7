package cli

import (
	"crypto"

	"github.com/hallmark-sign/hallmark/internal/publickey"
	"github.com/hallmark-sign/hallmark/internal/verdict"
)

// ReadPublicKey reads a file with a public key.
func ReadPublicKey(file string) (crypto.PublicKey, error) {
	raw, err := verdict.ReadFile(file, publickey.MaxFile)
	if err != nil {
		return nil, err
	}
	key, err := publickey.Parse(raw)
	if err != nil {
		return nil, verdict.Unreadable(file, err)
	}
	return key, nil
}
