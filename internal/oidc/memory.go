package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"sync"
)

// maxVerified bounds how many tokens are remembered.
const maxVerified = 4096

// signatures are the tokens that keys are known to have signed: whoever signs a
// hundred files with one token has it verified once. They answer for the signature
// alone; claims, times and whether the issuer still has the key are checked anew
// each time.
type signatures struct {
	mu    sync.Mutex
	known map[signature]bool
}

// signature is a token, and the key that it verified with, as its issuer's key set
// holds it: another set has other pointers.
type signature struct {
	token [sha256.Size]byte
	key   any // *ecdsa.PublicKey or *rsa.PublicKey
}

// signatureOf is ok where there is one key, of a kind that can be told by its
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

// add forgets all where there are too many: what is forgotten is verified again.
func (v *signatures) add(s signature) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil || len(v.known) >= maxVerified {
		v.known = map[signature]bool{}
	}
	v.known[s] = true
}
