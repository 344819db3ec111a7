package verify

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"sync"
	"time"
)

// link is a certificate of the trusted root below an authority's root. Its path
// up to there is the same for every bundle, so its signatures, usages and
// constraints are checked once, when first asked for; what depends on the time
// is checked each time.
type link struct {
	cert  *x509.Certificate
	pool  *x509.CertPool             // cert alone
	above func() []*x509.Certificate // from cert to the root; nil when there is no path to rely on
}

func (a *authority) newLink(cert *x509.Certificate) link {
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	above := func() []*x509.Certificate {
		path, err := verifyPath(cert, a.roots, a.intermediates, a.usage, latestStart(a.Chain))
		if err != nil || len(path) < 2 {
			return nil
		}
		return path
	}
	return link{cert, pool, sync.OnceValue(above)}
}

// path gives the path of a leaf that is the link's certificate or issued by it,
// and nil when it has to be looked for in the ordinary way, be it to learn what
// is wrong with it.
func (l link) path(leaf *x509.Certificate, usage x509.ExtKeyUsage, at time.Time) []*x509.Certificate {
	if l.cert.Equal(leaf) {
		if above := l.above(); validAt(above, at) {
			return above
		}
		return nil
	}
	if !l.cert.IsCA || !issues(l.cert, leaf) {
		return nil
	}
	above := l.above()
	if above == nil || !validAt(above, at) || !carries(above) {
		return nil
	}
	if _, err := verifyPath(leaf, l.pool, nil, usage, at); err != nil {
		return nil
	}
	return append([]*x509.Certificate{leaf}, above...)
}

// carries says whether a path that ends in an authority's certificate may be
// extended by one more: no certificate above counts the ones below it too
// short, or has something to say about names (RFC 5280 §4.2.1.9 and .10).
func carries(path []*x509.Certificate) bool {
	nameConstraints := asn1.ObjectIdentifier{2, 5, 29, 30}
	for below, cert := range path {
		if cert.BasicConstraintsValid && cert.MaxPathLen >= 0 && below > cert.MaxPathLen {
			return false
		}
		for _, ext := range cert.Extensions {
			if slices.Equal(ext.Id, nameConstraints) {
				return false
			}
		}
	}
	return true
}

// latestStart is a time at which a chain is valid, if it ever is.
func latestStart(chain []*x509.Certificate) time.Time {
	var at time.Time
	for _, cert := range chain {
		if cert.NotBefore.After(at) {
			at = cert.NotBefore
		}
	}
	return at
}
