// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
)

// maxClaims bounds the remembered keys: about 60 MB, or 800 new keys a second.
const maxClaims = 1 << 20

var (
	// errClaimed refuses a key that another identity's certificate names. One
	// signature could otherwise stand for both identities.
	errClaimed = errors.New("key is certified for another identity")
	errClaims  = errors.New("too many keys are certified")
)

// claims remembers the identity of each certified key until its certificates
// end. A certificate signing request proves possession of the key but is not
// bound to a token: anyone who obtains one could otherwise have the key
// certified for another identity.
type claims struct {
	mu         sync.Mutex
	turned     time.Time // when young was created
	young, old map[[16]byte]claim
}

// A claim is the hash of an identity and the end of its certificates in Unix
// seconds.
type claim struct {
	identity [16]byte
	until    int64
}

// take claims a key for an identity until a time, at most a lifetime from now.
// Errors match errClaimed or errClaims.
func (c *claims) take(key crypto.PublicKey, id identity.Identity, now, until time.Time) error {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	name := short(string(der))
	holder := short(fmt.Sprintf("%q %d %q", id.Issuer, id.Subject.Type, id.Subject.Value))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(now)
	for _, known := range []claim{c.young[name], c.old[name]} {
		if known.until > now.Unix() && known.identity != holder {
			return errClaimed
		}
		until = time.Unix(max(until.Unix(), known.until), 0)
	}
	if len(c.young)+len(c.old) >= maxClaims {
		return errClaims
	}
	c.young[name] = claim{holder, until.Unix()}
	return nil
}

// turn drops expired claims: all of old, once young is as old as a certificate
// can be.
func (c *claims) turn(now time.Time) {
	if c.young == nil || now.Sub(c.turned) >= lifetime {
		c.young, c.old, c.turned = make(map[[16]byte]claim), c.young, now
	}
}

func short(text string) [16]byte {
	sum := sha256.Sum256([]byte(text))
	return [16]byte(sum[:16])
}

// recall restores the claims of certificates that may still be valid from the
// CT log.
func (a *Authority) recall(ctx context.Context) error {
	now := a.o.Clock()
	for cert, err := range a.o.CTLog.Recent(ctx, now.Add(-lifetime)) {
		if err != nil {
			return fmt.Errorf("recalling certified keys: %w", err)
		}
		if !now.Before(cert.NotAfter) {
			continue
		}
		id, err := identity.FromCertificate(cert)
		if err == nil {
			err = a.claims.take(cert.PublicKey, id, now, cert.NotAfter)
		}
		if err != nil && !errors.Is(err, errClaimed) { // an older build may have certified one key for two identities
			return fmt.Errorf("recalling certified keys: %w", err)
		}
	}
	return nil
}
