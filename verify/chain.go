// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A route is a path that has been verified at one time.
type route struct {
	authority *authority
	path      []*x509.Certificate
}

// chain performs step 3 at each of the times.
//
// "The Verifier MUST perform certification path validation (RFC 5280 §6) of the
// certificate chain with the pre-distributed Fulcio root certificate(s) as a
// trust anchor, but with a fake “current time.” … If both are available, the
// Verifier performs path validation twice. If either fails, verification
// fails." (client specification §4.3)
func (c *claim) chain() error {
	if c.leaf == nil {
		return nil
	}
	// According to RFC 5280, a certificate without usages may be used for everything.
	if c.leaf.KeyUsage != 0 && c.leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 ||
		!slices.Contains(c.leaf.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) {
		return refuse(ChainUntrusted, "certificate is not for signing code")
	}
	// Package crypto/x509 does not support usernames as names. Step 5 parses the extension
	// and refuses unknown names.
	san := asn1.ObjectIdentifier{2, 5, 29, 17}
	c.leaf.UnhandledCriticalExtensions = slices.DeleteFunc(c.leaf.UnhandledCriticalExtensions, san.Equal)
	var found route
	for _, t := range c.result.Times {
		if found.holds(t.Time) {
			continue
		}
		var err error
		if found, err = c.certified(t.Time); err != nil {
			return err
		}
	}
	if len(found.path) < 2 {
		return refuse(ChainUntrusted, "certificate is an authority's own")
	}
	c.route, c.issuer = found, found.path[1]
	return nil
}

// holds reports whether a path that was verified at one time is valid at another. Of
// RFC 5280's checks only the validity depends on the time.
func (r route) holds(at time.Time) bool {
	return r.authority != nil && r.authority.Validity.Contains(at) && validAt(r.path, at)
}

// certified finds the authority that issued the certificate and was valid at that
// time. If all refuse, it returns the refusal of an authority that knows the
// certificate.
//
// Intermediates of an old bundle are never used: an authority that the trusted
// root has dropped stays dropped. "The Verifier SHOULD require that intermediate
// certificates are distributed out-of-band as well. In this case, the Verifier
// MUST remove certificates from the certificate chain that are not also found in
// the out-of-band list of intermediate certificates." (client specification §4.6)
func (c *claim) certified(at time.Time) (route, error) {
	var err error
	for _, a := range c.cas {
		known := a.knows(c.leaf, c.extra)
		if !a.Validity.Contains(at) {
			if known {
				err = differ(ChainUntrusted, window(a.URI, a.Validity), stamp(at))
			}
			continue
		}
		path, cause := a.path(c.leaf, nil, at)
		if cause == nil {
			return route{a, path}, nil
		}
		if known {
			err = pathRefusal(c.leaf, cause, at)
		}
	}
	if err == nil {
		err = refuse(ChainUntrusted, "%s is certified by no certificate authority of the trusted root", issuerName(c.leaf))
	}
	return route{}, err
}

func pathRefusal(leaf *x509.Certificate, cause error, at time.Time) error {
	var invalid x509.CertificateInvalidError
	if !errors.As(cause, &invalid) || invalid.Reason != x509.Expired {
		return refuse(ChainUntrusted, "%w", cause)
	}
	cert := leaf
	if invalid.Cert != nil {
		cert = invalid.Cert
	}
	return &Error{
		Code: CertificateExpired, Found: stamp(at),
		Expected: fmt.Sprintf("a time from %s until %s", stamp(cert.NotBefore), stamp(cert.NotAfter)),
	}
}

func issuerName(cert *x509.Certificate) string {
	return fmt.Sprintf("certificate issued by %q", cert.Issuer.String())
}
