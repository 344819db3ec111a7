// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/verify"
)

// Who returns the signer in words.
func Who(r *verify.Result) string {
	if r.Certificate == nil {
		return "a key with fingerprint sha256:" + KeyFingerprint(r.Key)
	}
	return fmt.Sprintf("%s via %s", fault.Printable(r.Identity.Subject.Value), fault.Printable(r.Identity.Issuer))
}

// KeyFingerprint returns the SHA-256 of a key's PKIX DER, in hexadecimal.
func KeyFingerprint(key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "unknown"
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
