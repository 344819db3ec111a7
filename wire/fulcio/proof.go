package fulcio

import (
	"crypto"
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// ErrProof means that whoever asks does not hold the key: answer 400.
var ErrProof = errors.New("proof of possession does not fit key and challenge")

// ProofOfPossession is a signature by the key to be certified over the
// challenge, a claim of the token: email for issuers of people, else sub. The
// digest is the SHA-2 that fits the key; RSA is PKCS #1 v1.5.
type ProofOfPossession []byte

// Verify checks the proof. Errors: ErrProof.
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

// SignProof makes the proof that Verify accepts. random is for the signature
// schemes that want it, as in crypto.Signer.
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
