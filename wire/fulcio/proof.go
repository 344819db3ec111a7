// SPDX-License-Identifier: Apache-2.0

package fulcio

import (
	"crypto"
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// ErrProof reports that the requester did not prove possession of the key. A
// server responds with 400.
var ErrProof = errors.New("proof of possession does not match key and challenge")

// A ProofOfPossession is a signature by the key to be certified over the challenge. The
// challenge is a claim of the token: email for issuers of people, otherwise sub. The hash is
// the SHA-2 that matches the key; RSA is PKCS #1 v1.5.
type ProofOfPossession []byte

// Verify verifies the proof. Errors match [ErrProof].
func (p ProofOfPossession) Verify(pub crypto.PublicKey, challenge string) error {
	if challenge == "" {
		return fmt.Errorf("verifying proof of possession: %w: no challenge", ErrProof)
	}
	algorithm, err := sigalg.ForKey(pub)
	if err == nil {
		err = algorithm.Verify(pub, []byte(challenge), p)
	}
	if err != nil {
		return fmt.Errorf("verifying proof of possession: %w: %w", ErrProof, err)
	}
	return nil
}

// SignProof returns a proof that [ProofOfPossession.Verify] accepts. random is
// the source of randomness for the signature, as in [crypto.Signer].
func SignProof(random io.Reader, key crypto.Signer, challenge string) (ProofOfPossession, error) {
	algorithm, err := sigalg.ForKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("signing proof of possession: %w", err)
	}
	proof, err := algorithm.Sign(random, key, []byte(challenge))
	if err != nil {
		return nil, fmt.Errorf("signing proof of possession: %w", err)
	}
	return proof, nil
}
