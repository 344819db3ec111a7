package verify

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// authority is a certificate or timestamp authority of the root, made ready.
type authority struct {
	*trust.Authority
	usage         x509.ExtKeyUsage
	roots         *x509.CertPool // its root alone
	intermediates *x509.CertPool
	links         []link // of its certificates
}

func newAuthority(a *trust.Authority, usage x509.ExtKeyUsage, keys *sigalg.Preparer) (*authority, error) {
	if len(a.Chain) == 0 {
		return nil, errors.New("no certificates")
	}
	out := &authority{Authority: a, usage: usage, roots: x509.NewCertPool(), intermediates: x509.NewCertPool()}
	last := len(a.Chain) - 1
	out.roots.AddCert(a.Chain[last])
	for _, cert := range a.Chain[:last] {
		out.intermediates.AddCert(cert)
	}
	for _, cert := range a.Chain {
		out.links = append(out.links, out.newLink(cert, keys))
	}
	return out, nil
}

// path verifies leaf up to the authority's root at a time (RFC 5280 §6), and
// gives the certificates on the way, leaf first. extra may be on it, as may
// what the root has; a root among extra is no root.
func (a *authority) path(leaf *x509.Certificate, extra []*x509.Certificate, at time.Time) ([]*x509.Certificate, error) {
	for _, l := range a.links {
		if path := l.path(leaf, a.usage, at); path != nil {
			return path, nil
		}
	}
	intermediates := a.intermediates
	if len(extra) > 0 {
		intermediates = intermediates.Clone()
		for _, cert := range extra {
			intermediates.AddCert(cert)
		}
	}
	return verifyPath(leaf, a.roots, intermediates, a.usage, at)
}

func verifyPath(leaf *x509.Certificate, roots, intermediates *x509.CertPool, usage x509.ExtKeyUsage, at time.Time) ([]*x509.Certificate, error) {
	paths, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return nil, err
	}
	return paths[0], nil
}

// validAt says whether every certificate is within its validity.
func validAt(certs []*x509.Certificate, at time.Time) bool {
	return !slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return at.Before(c.NotBefore) || at.After(c.NotAfter) })
}

// knows says whether leaf, or one of extra, is the authority's or names one of
// its certificates as issuer. It decides which refusal is the telling one, no more.
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

// party is the authority as a source of time.
func (a *authority) party(leaf *x509.Certificate) party {
	name := a.URI
	if name == "" {
		name = string(a.Chain[len(a.Chain)-1].RawSubjectPublicKeyInfo)
	}
	return party{name, string(leaf.RawSubjectPublicKeyInfo)}
}

// stamper is the certificate that a timestamp authority signs with; nil where
// the root leaves it open. Where it does not, no other of the same issuer counts:
// "a single root cert may appear in multiple chains but with different
// intermediate and/or leaf certificates", each of which the root has to list
// (sigstore_trustroot.proto, TrustedRoot).
func (a *authority) stamper() *x509.Certificate {
	leaf := a.Chain[0]
	if leaf.IsCA || !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageTimeStamping) {
		return nil
	}
	return leaf
}
