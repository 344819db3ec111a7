// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
)

// maxRoots bounds a file of certificate authorities, in bytes.
const maxRoots = 4 << 20

// ReadAuthorities reads a PEM file of certificate authorities. It also returns their PEM
// alone, to be kept, without what else is in the file, such as a key.
func ReadAuthorities(path string) (*x509.CertPool, []byte, error) {
	raw, err := find.ReadFile(path, maxRoots)
	if err != nil {
		return nil, nil, err
	}
	var kept bytes.Buffer
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, nil, fault.Unreadable(path, err)
		}
		if err := pem.Encode(&kept, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return nil, nil, err
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(kept.Bytes()) {
		return nil, nil, fault.Unreadable(path, errors.New("no certificate in it"))
	}
	return pool, kept.Bytes(), nil
}
