// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"sync"
)

// maxVerified bounds the remembered tokens.
const maxVerified = 4096

// A signatures remembers which tokens have been verified with which key, so that a token used
// for a hundred files is verified once. It covers the signature only: claims, times and the
// issuer's current keys are checked each time.
type signatures struct {
	mu    sync.Mutex
	known map[signature]bool
}

// A signature is a token with the key that verified it, as a pointer into the
// issuer's key set. Another set has other pointers.
type signature struct {
	token [sha256.Size]byte
	key   any // *ecdsa.PublicKey or *rsa.PublicKey
}

// signatureOf returns ok if there is one key of a type that can be compared by
// pointer.
func signatureOf(token string, keys []crypto.PublicKey) (s signature, ok bool) {
	if len(keys) != 1 {
		return s, false
	}
	switch keys[0].(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey:
		return signature{sha256.Sum256([]byte(token)), keys[0]}, true
	}
	return s, false
}

func (v *signatures) has(s signature) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.known[s]
}

// add forgets all tokens if there are too many. Those are then verified again.
func (v *signatures) add(s signature) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil || len(v.known) >= maxVerified {
		v.known = map[signature]bool{}
	}
	v.known[s] = true
}
