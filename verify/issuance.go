// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"time"
)

// An issuance is a path from an issuer to an authority's root that crypto/x509
// has verified for one leaf. For the next leaf of that issuer, crypto/x509
// verifies a path that ends at the issuer, which saves a signature check.
//
// The answer is the same as for the whole path. No certificate of an issuance
// limits what may stand below it, and what is left of RFC 5280 §6 for the
// certificates above the leaf depends on the time alone.
type issuance struct {
	above  []*x509.Certificate // issuer first, root last
	issuer *x509.CertPool      // the issuer alone
}

// newIssuance returns an issuance for the path above a leaf. It returns nil if
// the path saves nothing, or if a certificate on it may limit what stands below.
func newIssuance(above []*x509.Certificate) *issuance {
	if len(above) < 2 || slices.ContainsFunc(above, limits) {
		return nil
	}
	out := &issuance{above: above, issuer: x509.NewCertPool()}
	out.issuer.AddCert(above[0])
	return out
}

// path returns the whole path of leaf, or nil if leaf has to be verified up to
// the root: another issuer signed it, or a certificate is not valid at that time.
func (i *issuance) path(usage x509.ExtKeyUsage, leaf *x509.Certificate, at time.Time) []*x509.Certificate {
	if i == nil || !validAt(i.above, at) {
		return nil
	}
	paths, err := leaf.Verify(x509.VerifyOptions{Roots: i.issuer, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err != nil || len(paths[0]) != 2 {
		return nil
	}
	return append(paths[0][:1:1], i.above...)
}

// limits reports whether a certificate of an authority has an extension other
// than those whose effect does not depend on the leaf: name and policy
// constraints, and whatever is unknown here.
func limits(ca *x509.Certificate) bool {
	return slices.ContainsFunc(ca.Extensions, func(e pkix.Extension) bool {
		switch e.Id.String() {
		case "2.5.29.14", "2.5.29.35", // subject and authority key identifier
			"2.5.29.15", "2.5.29.19", "2.5.29.37": // key usage, basic constraints, extended key usage
			return false
		}
		return true
	})
}
