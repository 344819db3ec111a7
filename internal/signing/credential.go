// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/sign"
)

// minLeft is how long a certificate must still be valid when a signature begins, so that
// the timestamp is made within its validity.
const minLeft = time.Minute

// A credential is the key of a run and its certificate. Near the certificate's end it
// makes another key. It is safe for concurrent use.
type credential struct {
	authority sign.Certifier

	mu    sync.Mutex
	key   crypto.Signer
	chain certified
	made  int // certificates
}

// A certified chain is a Certifier that has certified already.
type certified []*x509.Certificate

// Certify returns the chain.
func (c certified) Certify(context.Context, crypto.Signer) ([]*x509.Certificate, error) {
	return c, nil
}

// get returns a key with a certificate that is valid for at least minLeft.
func (c *credential) get(ctx context.Context) (crypto.Signer, certified, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chain != nil && time.Until(c.chain[0].NotAfter) >= minLeft {
		return c.key, c.chain, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	chain, err := c.authority.Certify(ctx, key)
	if err != nil {
		return nil, nil, c.problem(err)
	}
	if len(chain) == 0 {
		return nil, nil, errors.New("the certificate authority answers without a certificate")
	}
	c.key, c.chain = key, chain
	c.made++
	return c.key, c.chain, nil
}

// problem returns the problem for a token that has ended during the run: what was signed
// stays, and the run can go on with another token.
func (c *credential) problem(err error) error {
	var answer *client.StatusError
	if c.made == 0 || !errors.As(err, &answer) || answer.Status != http.StatusUnauthorized {
		return err
	}
	return &fault.Problem{Exit: fault.ExitUndecided, Code: "token-expired", Err: fmt.Errorf("the certificate of this run ends, and the ID token gets no other: %w", err)}
}
