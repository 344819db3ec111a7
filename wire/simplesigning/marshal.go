// SPDX-License-Identifier: Apache-2.0

package simplesigning

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/go-json-experiment/json"
)

// Marshal returns the payload as cosign 1 and 2 write it, without optional
// members. Errors match [ErrMalformed]: the digest is not a SHA-256.
func (p Payload) Marshal() ([]byte, error) {
	if len(p.Digest) != sha256.Size {
		return nil, fmt.Errorf("%w: a digest of %d bytes", ErrMalformed, len(p.Digest))
	}
	var out struct {
		Critical critical  `json:"critical"`
		Optional *struct{} `json:"optional"`
	}
	out.Critical.Identity.Reference = p.Reference
	out.Critical.Image.Digest = "sha256:" + hex.EncodeToString(p.Digest)
	out.Critical.Type = typeImage
	return json.Marshal(out)
}
