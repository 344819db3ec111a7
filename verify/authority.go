// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hallmark-sign/hallmark/trust"
)

// An authority is a certificate or timestamp authority of the trusted root, prepared for
// verification.
type authority struct {
	*trust.Authority
	usage         x509.ExtKeyUsage
	roots         *x509.CertPool // only its root
	intermediates *x509.CertPool
	own           *x509.Certificate                   // certificate that a timestamp authority signs with, if the trusted root lists it
	ownPath       atomic.Pointer[[]*x509.Certificate] // path of own, once crypto/x509 has found it
	above         atomic.Pointer[issuance]            // the last one that crypto/x509 has found
}

func newAuthority(a *trust.Authority, usage x509.ExtKeyUsage) (*authority, error) {
	if len(a.Chain) == 0 {
		return nil, errors.New("no certificates")
	}
	out := &authority{Authority: a, usage: usage, roots: x509.NewCertPool(), intermediates: x509.NewCertPool(), own: stamper(a.Chain[0])}
	last := len(a.Chain) - 1
	out.roots.AddCert(a.Chain[last])
	for _, cert := range a.Chain[:last] {
		out.intermediates.AddCert(cert)
	}
	return out, nil
}

// path verifies leaf up to the authority's root at a time (RFC 5280 §6) with
// crypto/x509, and returns the certificates on the path, leaf first. The path may
// contain the authority's intermediates and certificates of extra. A root in extra
// is not trusted.
//
// The path of the authority's own certificate is the same for every token, so it
// is verified once and reused while all of its certificates are valid: of
// RFC 5280's checks only the validity depends on the time. For the same reason the
// path above a leaf is verified once for all leaves of one issuer; see [issuance].
func (a *authority) path(leaf *x509.Certificate, extra []*x509.Certificate, at time.Time) ([]*x509.Certificate, error) {
	if path := a.above.Load().path(a.usage, leaf, at); path != nil {
		return path, nil
	}
	own := a.own != nil && a.own.Equal(leaf)
	if known := a.ownPath.Load(); own && known != nil && validAt(*known, at) {
		return *known, nil
	}
	intermediates := a.intermediates
	if len(extra) > 0 {
		intermediates = intermediates.Clone()
		for _, cert := range extra {
			intermediates.AddCert(cert)
		}
	}
	paths, err := leaf.Verify(x509.VerifyOptions{
		Roots: a.roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{a.usage},
	})
	if err != nil {
		return nil, err
	}
	if own {
		a.ownPath.Store(&paths[0])
	} else if len(extra) == 0 {
		a.above.Store(newIssuance(paths[0][1:]))
	}
	return paths[0], nil
}

// validAt reports whether every certificate is within its validity.
func validAt(certs []*x509.Certificate, at time.Time) bool {
	return !slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return at.Before(c.NotBefore) || at.After(c.NotAfter) })
}

// knows reports whether leaf, or one of extra, is a certificate of the authority or has one
// as its issuer. The result only decides which refusal is reported.
func (a *authority) knows(leaf *x509.Certificate, extra []*x509.Certificate) bool {
	for _, ca := range a.Chain {
		if ca.Equal(leaf) || issues(ca, leaf) {
			return true
		}
		for _, cert := range extra {
			if ca.Equal(cert) || issues(ca, cert) {
				return true
			}
		}
	}
	return false
}

func issues(ca, cert *x509.Certificate) bool {
	if len(ca.SubjectKeyId) > 0 && len(cert.AuthorityKeyId) > 0 {
		return bytes.Equal(ca.SubjectKeyId, cert.AuthorityKeyId)
	}
	return bytes.Equal(ca.RawSubject, cert.RawIssuer)
}

// party returns the authority as a source of time.
func (a *authority) party(leaf *x509.Certificate) party {
	name := a.URI
	if name == "" {
		name = string(a.Chain[len(a.Chain)-1].RawSubjectPublicKeyInfo)
	}
	return party{name, string(leaf.RawSubjectPublicKeyInfo)}
}

// stamper returns the first certificate of a chain if a timestamp authority signs with it,
// and nil if the trusted root does not list one. If it does, other certificates of the same
// issuer are not accepted: "a single root cert may appear in multiple chains but with
// different intermediate and/or leaf certificates", each of which the trusted root has to
// list (sigstore_trustroot.proto, TrustedRoot).
func stamper(leaf *x509.Certificate) *x509.Certificate {
	if leaf.IsCA || !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageTimeStamping) {
		return nil
	}
	return leaf
}

// An issuance is a path from an issuer to an authority's root that crypto/x509
// has verified for one leaf. For the next leaf of that issuer, crypto/x509
// verifies a path that ends at the issuer, which saves a signature check.
//
// The result is the same as for the whole path. No certificate of an issuance
// limits the certificates below it, and the remaining checks of RFC 5280 §6 for the
// certificates above the leaf depend only on the time.
type issuance struct {
	above  []*x509.Certificate // issuer first, root last
	issuer *x509.CertPool      // only the issuer
}

// newIssuance returns an issuance for the path above a leaf. It returns nil if
// the path saves nothing, or if a certificate on it may limit those below.
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
// constraints, and unknown extensions.
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
