// SPDX-License-Identifier: Apache-2.0

package simplesigning

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
)

// MaxSize is the size of the largest payload that [Parse] accepts, in bytes.
const MaxSize = 1 << 20

// ErrMalformed is matched by every error of this package.
var ErrMalformed = errors.New("malformed payload of an image signature")

// A Payload is the signed part of an image signature:
//
//	{"critical":{
//	   "identity":{"docker-reference":"registry.example.com/app"},
//	   "image":{"docker-manifest-digest":"sha256:c605…"},
//	   "type":"cosign container image signature"},
//	 "optional":null}
type Payload struct {
	Reference string // name of the image when it was signed, as claimed by the signer
	Digest    []byte // SHA-256 of the image manifest
}

// typeImage is the type that Marshal writes. Parse accepts a later spelling
// too.
const typeImage = "cosign container image signature"

type critical struct {
	Identity struct {
		Reference string `json:"docker-reference"`
	} `json:"identity"`
	Image struct {
		Digest string `json:"docker-manifest-digest"`
	} `json:"image"`
	Type string `json:"type"`
}

// Parse parses a payload. Errors match [ErrMalformed].
func Parse(raw []byte) (Payload, error) {
	var p struct {
		Critical critical `json:"critical"`
	}
	if len(raw) > MaxSize {
		return Payload{}, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSize)
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return Payload{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if t := p.Critical.Type; t != typeImage && t != "https://sigstore.dev/cosign/sign/v1" {
		return Payload{}, fmt.Errorf("%w: type %.100q", ErrMalformed, t)
	}
	digits, ok := strings.CutPrefix(p.Critical.Image.Digest, "sha256:")
	digest, err := hex.DecodeString(digits)
	if !ok || err != nil || len(digest) != sha256.Size {
		return Payload{}, fmt.Errorf("%w: digest %.100q", ErrMalformed, p.Critical.Image.Digest)
	}
	return Payload{Reference: p.Critical.Identity.Reference, Digest: digest}, nil
}
