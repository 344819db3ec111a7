// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// identity performs step 5: either the certificate names an identity that the
// requirements accept, or the requirements list keys and the bundle is signed with a key.
//
// "The Verifier MUST then check the certificate against the verification policy
// … the Verifier SHOULD check the Issuer X.509 extension … at a minimum, and will
// in most cases check the SubjectAlternativeName as well." (client specification
// §4.3; here both, always.) Key hints are unauthenticated and decide nothing.
func (c *claim) identity() error {
	if c.leaf == nil {
		return c.keyed()
	}
	id, err := identity.FromCertificate(c.leaf)
	if err != nil {
		return refuse(IdentityMismatch, "%w", err)
	}
	c.result.Identity, c.result.Certificate = id, c.leaf
	c.keys = []crypto.PublicKey{c.leaf.PublicKey}
	if c.required.AnyIdentityUnsafe {
		return nil
	}
	return c.required.admits(id)
}

// keyed sets the policy's keys as candidates for the signature.
func (c *claim) keyed() error {
	if len(c.required.Keys) == 0 {
		return differ(KeyMismatch, c.required.names(), "a signature with a key")
	}
	for i, key := range c.required.Keys {
		if _, err := sigalg.ForKey(key); err != nil {
			return refuse(KeyMismatch, "key %d of the policy: %w", i, err)
		}
	}
	c.keys = c.required.Keys
	return nil
}

// names describes the identities and keys that the requirements accept.
func (r Requirements) names() string {
	var all []string
	for _, m := range r.Identities {
		all = append(all, person(m.Subject.String(), m.Issuer.String()))
	}
	for _, key := range r.Keys {
		all = append(all, keyName(key))
	}
	if len(all) == 0 {
		return "no signer: the policy names no identity and no key"
	}
	return strings.Join(all, ", or ")
}

func person(subject, issuer string) string { return fmt.Sprintf("%s from %s", subject, issuer) }

// keyName names a key by the SHA-256 of its PKIX DER.
func keyName(key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Sprintf("a key of type %T", key)
	}
	sum := sha256.Sum256(der)
	return "the key sha256:" + hex.EncodeToString(sum[:])
}
